use super::*;

fn tokens() -> Tokens<&'static str> {
    Tokens::new(Arc::new(Metrics::new("test").unwrap()))
}

/// Trusted from a moment on, and then for [`LEASE`].
fn trusted_from(moment: Instant) -> Tokens<&'static str> {
    let tokens = tokens();
    tokens.vouch(Witness::Subscription, moment);
    tokens.vouch(Witness::Table, moment);
    tokens
}

fn trusted() -> Tokens<&'static str> {
    trusted_from(later())
}

/// A moment so late that no lease from it ends during a test.
fn later() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn ticket(tokens: &Tokens<&'static str>, token: &str) -> Ticket {
    match tokens.get(token) {
        LookUp::Miss(ticket) => ticket,
        LookUp::Hit(value) => panic!("{token} is remembered as {value}"),
    }
}

fn remember(tokens: &Tokens<&'static str>, token: &str, users: &[&str], value: &'static str) {
    tokens.insert(ticket(tokens, token), token, users.iter().map(|name| user(name)).collect(), value);
}

fn hit(tokens: &Tokens<&'static str>, token: &str) -> Option<&'static str> {
    match tokens.get(token) {
        LookUp::Hit(value) => Some(value),
        LookUp::Miss(_) => None,
    }
}

#[test]
fn what_was_looked_up_is_remembered() {
    let tokens = trusted();
    remember(&tokens, "a", &["@a:s"], "alice");
    assert_eq!((hit(&tokens, "a"), hit(&tokens, "b")), (Some("alice"), None));
}

#[test]
fn nothing_is_remembered_until_both_witnesses_have_vouched() {
    for witness in [Witness::Subscription, Witness::Table] {
        let tokens = tokens();
        tokens.vouch(witness, later());
        remember(&tokens, "a", &["@a:s"], "alice");
        assert_eq!(hit(&tokens, "a"), None);
    }
}

#[test]
fn an_invalidation_drops_its_token_or_all_of_its_users() {
    let tokens = trusted();
    for (token, users) in
        [("a1", &["@a:s"][..]), ("a2", &["@a:s"]), ("p", &["@a:s", "@admin:s"]), ("b", &["@b:s"])]
    {
        remember(&tokens, token, users, "x");
    }
    tokens.invalidate(&Invalidation::Token("a1".to_owned()));
    assert_eq!((hit(&tokens, "a1"), hit(&tokens, "a2")), (None, Some("x")));
    tokens.invalidate(&Invalidation::User(user("@admin:s")));
    assert_eq!((hit(&tokens, "p"), hit(&tokens, "a2")), (None, Some("x")));
    tokens.invalidate(&Invalidation::Account(user("@a:s")));
    assert_eq!((hit(&tokens, "a2"), hit(&tokens, "b")), (None, Some("x")));
    tokens.invalidate(&Invalidation::Everything);
    assert_eq!(hit(&tokens, "b"), None);
}

#[test]
fn what_was_invalidated_while_it_was_looked_up_is_not_remembered() {
    let tokens = trusted();
    let before = ticket(&tokens, "a");
    tokens.invalidate(&Invalidation::Token("a".to_owned()));
    tokens.insert(before, "a", vec![user("@a:s")], "alice");
    assert_eq!(hit(&tokens, "a"), None);
}

#[test]
fn a_lost_witness_ends_everything_that_was_remembered() {
    for witness in [Witness::Subscription, Witness::Table] {
        let tokens = trusted();
        remember(&tokens, "a", &["@a:s"], "alice");
        tokens.doubt(witness);
        assert_eq!(hit(&tokens, "a"), None);
        tokens.vouch(witness, later());
        assert_eq!(hit(&tokens, "a"), None, "what was remembered before the doubt is gone");
        remember(&tokens, "a", &["@a:s"], "alice");
        assert_eq!(hit(&tokens, "a"), Some("alice"));
    }
}

#[test]
fn a_lease_that_ran_out_ends_everything_even_if_it_is_renewed_unseen() {
    let tokens = trusted_from(Instant::now());
    remember(&tokens, "a", &["@a:s"], "alice");
    std::thread::sleep(LEASE + Duration::from_millis(50));
    tokens.vouch(Witness::Subscription, Instant::now());
    tokens.vouch(Witness::Table, Instant::now());
    assert_eq!(hit(&tokens, "a"), None);
}

#[test]
fn beyond_the_capacity_the_oldest_goes() {
    let tokens = trusted();
    for number in 0..=CAPACITY {
        remember(&tokens, &number.to_string(), &["@a:s"], "x");
    }
    assert_eq!((hit(&tokens, "0"), hit(&tokens, "1")), (None, Some("x")));
}

#[test]
fn a_token_that_is_remembered_again_and_again_takes_one_place() {
    let tokens = trusted();
    for _ in 0..3 {
        remember(&tokens, "a", &["@a:s"], "x");
        tokens.invalidate(&Invalidation::Token("a".to_owned()));
    }
    remember(&tokens, "a", &["@a:s"], "x");
    let state = tokens.state();
    assert_eq!((state.entries.len(), state.by_user.len()), (1, 1));
}

#[test]
fn what_is_too_old_is_dropped_so_that_notes_of_others_do_not_pile_up_behind_it() {
    let tokens = trusted();
    remember(&tokens, "idle", &["@i:s"], "x");
    for _ in 0..3 {
        remember(&tokens, "a", &["@a:s"], "x");
        tokens.invalidate(&Invalidation::Token("a".to_owned()));
    }
    let mut state = tokens.state();
    state.shrink(Instant::now());
    assert_eq!((state.entries.len(), state.oldest_first.len()), (1, 4), "the idle one is not too old yet");
    state.shrink(Instant::now() + LIFETIME);
    assert_eq!((state.entries.len(), state.by_user.len(), state.oldest_first.len()), (0, 0, 0));
}
