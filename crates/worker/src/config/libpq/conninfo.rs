//! libpq's connection strings: `key = 'value'` pairs, or a URI.

use std::collections::BTreeMap;

/// Values by keyword.
type Pairs = BTreeMap<String, String>;

/// Splits a connection string into keywords and values; of a repeated keyword the last value counts.
///
/// The error is one of our own sentences and holds nothing of the string.
pub(super) fn parse(text: &str) -> Result<Pairs, &'static str> {
    match text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://")) {
        Some(rest) => uri(rest),
        None => pairs(text),
    }
}

fn pairs(text: &str) -> Result<Pairs, &'static str> {
    let mut rest = text.trim_start();
    let mut pairs = Pairs::new();
    while !rest.is_empty() {
        let (name, tail) = rest.split_once('=').ok_or("a keyword of the connection string has no `=`")?;
        let name = name.trim_end();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err("a keyword of the connection string has no `=`");
        }
        let (value, tail) = value(tail.trim_start())?;
        pairs.insert(name.to_owned(), value);
        rest = tail.trim_start();
    }
    Ok(pairs)
}

/// One value, quoted or up to white space; a backslash keeps the next character.
fn value(text: &str) -> Result<(String, &str), &'static str> {
    let quoted = text.strip_prefix('\'');
    let text = quoted.unwrap_or(text);
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, kept)| kept)),
            '\'' if quoted.is_some() => return Ok((value, &text[at + 1..])),
            white if quoted.is_none() && white.is_whitespace() => return Ok((value, &text[at..])),
            other => value.push(other),
        }
    }
    if quoted.is_some() { Err("a quoted value of the connection string has no end") } else { Ok((value, "")) }
}

/// `[user[:password]@][host[:port],...][/dbname][?keyword=value&...]`
fn uri(text: &str) -> Result<Pairs, &'static str> {
    let (before_query, query) = text.split_once('?').unwrap_or((text, ""));
    let (authority, dbname) = before_query.split_once('/').unwrap_or((before_query, ""));
    let (credentials, hosts) = authority.split_once('@').unwrap_or(("", authority));
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let (names, ports) = hosts_and_ports(hosts)?;
    let given =
        [("user", user), ("password", password), ("host", &names), ("port", &ports), ("dbname", dbname)];
    let mut pairs = Pairs::new();
    for (name, part) in given.into_iter().filter(|(_, part)| !part.is_empty()) {
        pairs.insert(name.to_owned(), decode(part)?);
    }
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        pairs.extend([query_parameter(parameter)?]);
    }
    Ok(pairs)
}

fn hosts_and_ports(hosts: &str) -> Result<(String, String), &'static str> {
    let mut names = Vec::new();
    let mut ports = Vec::new();
    for host in hosts.split(',') {
        let (name, port) = match host.strip_prefix('[') {
            Some(bracketed) => {
                let (name, rest) =
                    bracketed.split_once(']').ok_or("an IPv6 address of the URI has no `]`")?;
                (name, rest.strip_prefix(':').unwrap_or(rest))
            }
            None => host.split_once(':').unwrap_or((host, "")),
        };
        names.push(name);
        ports.push(port);
    }
    // One empty port is the default of all hosts; several are a list as it stands.
    let ports = if ports.iter().all(|port| port.is_empty()) { String::new() } else { ports.join(",") };
    Ok((names.join(","), ports))
}

fn query_parameter(parameter: &str) -> Result<(String, String), &'static str> {
    let (name, value) = parameter.split_once('=').ok_or("a query parameter of the URI has no `=`")?;
    match (decode(name)?, decode(value)?) {
        // The spelling of JDBC, which libpq takes too.
        (name, value) if name == "ssl" && value == "true" => Ok(("sslmode".to_owned(), "require".to_owned())),
        pair => Ok(pair),
    }
}

fn decode(text: &str) -> Result<String, &'static str> {
    const WRONG: &str = "the URI has a `%` that two hexadecimal digits do not follow";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first != b'%' {
            bytes.push(*first);
            rest = tail;
            continue;
        }
        let digits = tail.get(..2).and_then(|digits| str::from_utf8(digits).ok()).ok_or(WRONG)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) || digits == "00" {
            return Err(WRONG);
        }
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| WRONG)?);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).map_err(|_| "the URI is not UTF-8 once it is decoded")
}
