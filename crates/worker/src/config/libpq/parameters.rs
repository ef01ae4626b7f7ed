//! The keywords and values of a connection, layer over layer as libpq finds them.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::PathBuf,
    time::Duration,
};

use super::{
    super::{ConfigError, Environment, node::Section},
    conninfo,
    keywords::{self, KEYWORDS},
    service,
};

/// A value and where it stands. There is no `Debug`: it may be a secret.
pub(super) struct Parameter {
    pub(super) value: String,
    pub(super) place: String,
}

impl Parameter {
    pub(super) fn error(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError::new(&self.place, problem)
    }

    pub(super) fn expected(&self, what: &str) -> ConfigError {
        self.error(format!("expected {what}"))
    }
}

/// What is known of a connection, by keyword.
#[derive(Default)]
pub(super) struct Parameters(BTreeMap<&'static str, Parameter>);

impl Parameters {
    /// Reads Synapse's `args`, then its `dsn`, then the service file, then the environment: what comes
    /// first counts.
    pub(super) fn read(args: &Section<'_>, environment: &Environment) -> Result<Self, ConfigError> {
        let mut parameters = Self::default();
        for (name, node) in args.entries().filter(|(name, _)| !name.starts_with("cp_") && *name != "dsn") {
            let name = if name == "database" { "dbname" } else { name };
            if node.is_null() {
                continue;
            }
            if parameters.0.contains_key(name) {
                return Err(node.error("`database` and `dbname` are the same keyword: give one"));
            }
            parameters.add(name, node.scalar()?, node.place())?;
        }
        if let Some(dsn) = args.get("dsn") {
            for (name, value) in conninfo::parse(dsn.text()?).map_err(|problem| dsn.error(problem))? {
                parameters.add(&name, value, dsn.place())?;
            }
        }
        parameters.add_surroundings(environment)?;
        Ok(parameters)
    }

    fn add_surroundings(&mut self, environment: &Environment) -> Result<(), ConfigError> {
        let variable = |name: &str| {
            Some((environment.variable(name)?.to_owned(), format!("environment variable {name}")))
        };
        for name in ["service", "servicefile"] {
            let keyword = keywords::find(name).and_then(|keyword| keyword.variable);
            if let Some((value, place)) = keyword.and_then(variable) {
                self.add(name, value, place)?;
            }
        }
        for (name, parameter) in service::read(self, environment)? {
            self.add(&name, parameter.value, parameter.place)?;
        }
        for keyword in KEYWORDS {
            if let Some((value, place)) = keyword.variable.and_then(variable) {
                self.add(keyword.name, value, place)?;
            }
        }
        Ok(())
    }

    /// Adds a keyword unless an earlier layer has it. An unknown one is an error, as in libpq.
    fn add(&mut self, name: &str, value: String, place: String) -> Result<(), ConfigError> {
        let Some(keyword) = keywords::find(name) else {
            return Err(ConfigError::new(place, "libpq has no keyword of this name"));
        };
        let Entry::Vacant(entry) = self.0.entry(keyword.name) else { return Ok(()) };
        let parameter = Parameter { value, place };
        if let Some(values) = keyword.only
            && !parameter.value.is_empty()
            && !values.contains(&parameter.value.as_str())
        {
            return Err(parameter.error(format!("this worker cannot do what `{name}` asks for here")));
        }
        entry.insert(parameter);
        Ok(())
    }

    /// The parameter of a keyword; an empty one counts as not given.
    pub(super) fn get(&self, name: &str) -> Option<&Parameter> {
        self.0.get(name).filter(|parameter| !parameter.value.is_empty())
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|parameter| parameter.value.clone())
    }

    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(|parameter| PathBuf::from(&parameter.value))
    }

    /// A whole number.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, ConfigError> {
        let number = |parameter: &Parameter| {
            parameter.value.trim().parse().map_err(|_| parameter.expected("a whole number"))
        };
        self.get(name).map(number).transpose()
    }

    /// A time in `unit`s; none where libpq's value is 0 or negative.
    pub(super) fn time(&self, name: &str, unit: Duration) -> Result<Option<Duration>, ConfigError> {
        let number = self.integer(name)?.and_then(|number| u32::try_from(number).ok());
        Ok(number.filter(|number| *number > 0).map(|number| unit * number))
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(
        &self,
        name: &str,
        choices: &[(&str, T)],
        default: T,
    ) -> Result<T, ConfigError> {
        let Some(parameter) = self.get(name) else { return Ok(default) };
        let chosen = choices.iter().find(|(word, _)| *word == parameter.value);
        chosen.map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            parameter.expected(&format!("one of {}", words.join(", ")))
        })
    }
}
