//! What the configuration takes from the process around it.

use std::{collections::BTreeMap, env, path::PathBuf};

use nix::unistd::{User, geteuid};

/// The surroundings that libpq looks at where the configuration is silent.
#[derive(Clone, Default)]
pub struct Environment {
    /// Environment variables; only those of libpq and `HOME` are asked for.
    pub variables: BTreeMap<String, String>,
    /// The operating system's name of the user: libpq's default `user`.
    pub user: Option<String>,
    /// The home directory, with `.pgpass`, `.pg_service.conf` and `.postgresql/`.
    pub home: Option<PathBuf>,
}

impl Environment {
    /// The surroundings of this process. Variables that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        let variables: BTreeMap<_, _> = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let user = User::from_uid(geteuid()).ok().flatten();
        let home = variables.get("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        Self {
            variables,
            home: home.or_else(|| user.as_ref().map(|user| user.dir.clone())),
            user: user.map(|user| user.name),
        }
    }

    /// A variable that is set, be it to nothing.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }
}
