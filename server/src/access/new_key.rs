//! The command that makes an API key.

use anyhow::{Result, anyhow};
use time::{Date, macros::format_description};

use super::{ApiKey, Role, Roles};

/// Make an API key. Its line for the file that PAYSTATS_API_KEYS names goes to standard output; the key itself, which is shown once and kept
/// nowhere, to standard error.
#[derive(Debug, clap::Args)]
pub struct NewKey {
    /// Who will use it, as logs and the audit name them: no spaces
    name: String,
    /// What they may do: reader, editor, loader or admin; several with commas
    #[arg(long, required = true, value_delimiter = ',')]
    role: Vec<Role>,
    /// The last day on which it is good, such as 2027-06-30
    #[arg(long, value_parser = day)]
    until: Option<Date>,
}

impl NewKey {
    /// Makes it.
    pub fn execute(self) -> Result<()> {
        let roles = self.role.into_iter().collect::<Roles>();
        let made = ApiKey::generate(&self.name, roles, self.until).map_err(|reason| anyhow!(reason))?;
        println!("{}", made.line);
        eprintln!("The key of {}, which is shown only now:\n{}", self.name, made.key.expose());
        Ok(())
    }
}

fn day(text: &str) -> Result<Date, &'static str> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).map_err(|_| "it is no day such as 2027-06-30")
}
