//! What callers are, and what they may do for it.

use std::{fmt, str::FromStr};

/// What a caller is. A caller may be several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Asks and watches.
    Reader,
    /// Reads, and changes postal codes and paystats.
    Editor,
    /// Reads, and loads: starts and stops loads, uploads files, sees the data lake.
    Loader,
    /// Does everything, and reads who did what.
    Admin,
}

/// What may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Ask and watch.
    Read,
    /// Change postal codes and paystats.
    Edit,
    /// Load.
    Load,
    /// Read who did what.
    Administer,
}

/// The roles of a caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles(u8);

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Reader, Self::Editor, Self::Loader, Self::Admin];

    /// As it stands in files and tokens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Editor => "editor",
            Self::Loader => "loader",
            Self::Admin => "admin",
        }
    }

    fn has(self, right: Right) -> bool {
        match self {
            Self::Reader => matches!(right, Right::Read),
            Self::Editor => matches!(right, Right::Read | Right::Edit),
            Self::Loader => matches!(right, Right::Read | Right::Load),
            Self::Admin => true,
        }
    }
}

impl Right {
    /// The least role that has it.
    pub fn role(self) -> Role {
        match self {
            Self::Read => Role::Reader,
            Self::Edit => Role::Editor,
            Self::Load => Role::Loader,
            Self::Administer => Role::Admin,
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == name)
            .ok_or_else(|| format!("'{name}' is none of reader, editor, loader and admin"))
    }
}

impl Roles {
    /// Every role.
    pub fn all() -> Self {
        Role::ALL.into_iter().collect()
    }

    /// Whether it is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether one of them has the right.
    pub fn have(self, right: Right) -> bool {
        self.iter().any(|role| role.has(right))
    }

    fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.0 & (1 << *role as u8) != 0)
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().fold(0, |roles, role| roles | 1 << role as u8))
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Role::name).collect();
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_has_its_rights_and_no_others() {
        const RIGHTS: [Right; 4] = [Right::Read, Right::Edit, Right::Load, Right::Administer];
        for (role, rights) in [
            (Role::Reader, [true, false, false, false]),
            (Role::Editor, [true, true, false, false]),
            (Role::Loader, [true, false, true, false]),
            (Role::Admin, [true; 4]),
        ] {
            let roles = Roles::from_iter([role]);
            assert_eq!(RIGHTS.map(|right| roles.have(right)), rights, "{role:?}");
            assert_eq!(role.name().parse(), Ok(role));
        }
        assert!(RIGHTS.into_iter().all(|right| Roles::from_iter([right.role()]).have(right)));
        assert!(!Roles::default().have(Right::Read));
        let both = Roles::from_iter([Role::Loader, Role::Editor]);
        assert!(both.have(Right::Edit) && both.have(Right::Load) && !both.have(Right::Administer));
        assert_eq!(both.to_string(), "editor,loader");
        assert!("root".parse::<Role>().is_err());
    }
}
