//! Several workers, several clients of a few users, and everything else breaking meanwhile.

use std::{path::Path, time::Duration};

use key_backup_torture::Plan;

#[tokio::test]
async fn whatever_breaks_each_user_has_one_history() {
    let plan = Plan {
        seed: 6,
        duration: Duration::from_secs(15),
        binary: env!("CARGO_BIN_EXE_key-backup-worker").into(),
        workers: 2,
        users: 2,
        clients: 4,
        histories: Path::new(env!("CARGO_TARGET_TMPDIR")).join("torture"),
    };
    let summary = plan.run().await.unwrap();
    println!("{summary}");
    assert!(summary.broken() > 0 && summary.unanswered > 0, "nothing broke: {summary}");
}
