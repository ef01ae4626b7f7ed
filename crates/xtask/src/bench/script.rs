//! What the worker has sent to PostgreSQL, as a script of pgbench.

use std::fmt::Write;

use anyhow::{Context, Result, bail, ensure};
use tokio_postgres::{Client, types::Type};

use super::wire::Sent;

/// Users whom pgbench can name, because they are numbers: as long as names of users are.
pub(super) const FIRST_USER: u64 = 100_000_000_000_000_000;

/// Each of pgbench's clients has so many of them.
pub(super) const USERS_OF_A_CLIENT: usize = 6000;

/// A script, and the variables that it begins with.
pub(super) struct Script {
    pub(super) text: String,
    pub(super) variables: Vec<(String, String)>,
    /// Each transaction is for another user.
    pub(super) has_many_users: bool,
}

impl Script {
    /// The very statements that were sent, with the same parameters; where `user` is given, pgbench's users stand for that one.
    /// What was sent in several messages is sent as a pipeline.
    pub(super) async fn new(sent: &[Sent], user: Option<&str>, client: &Client) -> Result<Self> {
        let mut script = Self { text: String::new(), variables: Vec::new(), has_many_users: user.is_some() };
        if user.is_some() {
            script.variables.push(("n".to_owned(), "0".to_owned()));
            let _ = writeln!(
                script.text,
                "\\set user {FIRST_USER} + :client_id * {USERS_OF_A_CLIENT} + :n\n\\set n :n + 1"
            );
        }
        if sent.len() > 1 {
            script.text.push_str("\\startpipeline\n");
        }
        for sent in sent {
            match sent {
                Sent::Simple(sql) => script.add(sql),
                Sent::Prepared { sql, parameters } => {
                    let types = client.prepare(sql).await?.params().to_vec();
                    ensure!(types.len() == parameters.len(), "other parameters than types in {sql}");
                    let sql = script.with_variables(sql, parameters, &types, user)?;
                    script.add(&sql);
                }
            }
        }
        if sent.len() > 1 {
            script.text.push_str("\\endpipeline\n");
        }
        Ok(script)
    }

    fn add(&mut self, sql: &str) {
        let _ = writeln!(self.text, "{};", sql.trim().trim_end_matches(';'));
    }

    /// Puts pgbench's variables in the place of `$1`, `$2`, …, which become parameters again when it prepares the statement.
    fn with_variables(
        &mut self,
        sql: &str,
        parameters: &[Option<Vec<u8>>],
        types: &[Type],
        user: Option<&str>,
    ) -> Result<String> {
        let mut sql = sql.to_owned();
        // From the last on: `$1` is the beginning of `$10`.
        for (index, (parameter, kind)) in parameters.iter().zip(types).enumerate().rev() {
            let place = match parameter {
                None => format!("NULL::{}", kind.name()),
                Some(bytes) => {
                    let value = text(bytes, kind)?;
                    if user.is_some_and(|user| value == user) {
                        ":user".to_owned()
                    } else if user.is_some_and(|user| value == format!("{{\"{user}\"}}")) {
                        "ARRAY[:user::text]".to_owned()
                    } else {
                        let name = format!("p{}", self.variables.len());
                        let place = format!(":{name}");
                        self.variables.push((name, value));
                        place
                    }
                }
            };
            sql = sql.replace(&format!("${}", index + 1), &place);
        }
        Ok(sql)
    }
}

/// A parameter as PostgreSQL writes it in text.
fn text(bytes: &[u8], kind: &Type) -> Result<String> {
    if let tokio_postgres::types::Kind::Array(element) = kind.kind() {
        return array(bytes, element);
    }
    Ok(match *kind {
        Type::BOOL => bytes.first().is_some_and(|byte| *byte != 0).to_string(),
        Type::INT2 => i16::from_be_bytes(bytes.try_into()?).to_string(),
        Type::INT4 => i32::from_be_bytes(bytes.try_into()?).to_string(),
        Type::INT8 => i64::from_be_bytes(bytes.try_into()?).to_string(),
        Type::TEXT | Type::VARCHAR | Type::NAME | Type::JSON => String::from_utf8(bytes.to_vec())?,
        _ => bail!("the benchmark cannot write parameters of type {kind}"),
    })
}

/// An array of one dimension: number of dimensions, whether there are NULLs, type, length, lower bound, and the elements.
fn array(bytes: &[u8], element: &Type) -> Result<String> {
    let number = |at: usize| -> Result<i32> {
        let bytes = bytes.get(at..at + 4).context("a short array")?;
        Ok(i32::from_be_bytes(bytes.try_into()?))
    };
    if number(0)? == 0 {
        return Ok("{}".to_owned());
    }
    let (mut values, mut at) = (Vec::new(), 20);
    for _ in 0..number(12)? {
        let length = number(at)?;
        at += 4;
        let Ok(length) = usize::try_from(length) else {
            values.push("NULL".to_owned());
            continue;
        };
        let value = text(bytes.get(at..at + length).context("a short array")?, element)?;
        values.push(format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")));
        at += length;
    }
    Ok(format!("{{{}}}", values.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_become_variables_and_the_user_pgbenchs_own() {
        let mut script = Script { text: String::new(), variables: Vec::new(), has_many_users: true };
        let parameters = [Some(b"@a:b".to_vec()), None, Some(7_i64.to_be_bytes().to_vec())];
        let types = [Type::TEXT, Type::INT8, Type::INT8];
        let sql = script.with_variables("SELECT $1, $2, $3, $1", &parameters, &types, Some("@a:b")).unwrap();
        assert_eq!(sql, "SELECT :user, NULL::int8, :p0, :user");
        assert_eq!(script.variables, [("p0".to_owned(), "7".to_owned())]);
    }

    #[test]
    fn arrays_are_written_with_quotes_and_nulls() {
        let element =
            |text: &str| [&u32::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat();
        let mut bytes = Vec::new();
        for number in [1, 1, 25, 3, 1] {
            bytes.extend_from_slice(&i32::to_be_bytes(number));
        }
        bytes.extend([element("a\"b"), (-1_i32).to_be_bytes().to_vec(), element("c\\d")].concat());
        assert_eq!(text(&bytes, &Type::TEXT_ARRAY).unwrap(), r#"{"a\"b",NULL,"c\\d"}"#);
        assert_eq!(text(&0_i32.to_be_bytes(), &Type::INT4_ARRAY).unwrap(), "{}");
    }
}
