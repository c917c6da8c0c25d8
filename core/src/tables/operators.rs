//! Operators of the platform (R-PLT-2).

use crate::error::Error;
use crate::kernel::check::Look;
use crate::kernel::table::{Declared, Index, Lines, Owner, Table, id};
use crate::kernel::{Tx, keys};
use crate::model::{self, AuditKind, Id, Operator};

pub(super) const TABLES: &[Declared] = &[Declared::of::<Operators>()];

pub(crate) struct Operators;

impl Table for Operators {
    type Record = Operator;
    const PREFIX: keys::Prefix = keys::OPERATOR;
    const AUDIT: Option<AuditKind> = Some(AuditKind::Operator);
    const OWNER: Owner = Owner::User;
    const LINES: &'static [Index] = &[Index {
        prefix: keys::ROLE_USE,
        source: |parts, _| match parts {
            [_, "operator", user] => Some(keys::operator(&id(user)?)),
            _ => None,
        },
    }];

    fn key(operator: &Operator) -> Vec<u8> {
        keys::operator(&operator.user)
    }

    fn lines(_: &mut Tx<'_>, operator: &Operator, lines: &mut Lines) -> Result<(), Error> {
        lines.uses_role(&operator.role, "operator", &[operator.user.as_str()]);
        Ok(())
    }

    fn check(operator: &Operator, look: &mut Look<'_>) -> Result<(), Error> {
        let memberships = look.count(keys::MEMBERSHIP, &[operator.user.as_str()])?;
        look.must(
            memberships == 0,
            "An operator is a member of an account; operators must be members of none.",
        );
        Ok(())
    }
}

pub(crate) fn load(tx: &mut Tx<'_>, user: &Id) -> Result<model::Operator, Error> {
    tx.get(&keys::operator(user))?
        .ok_or_else(|| Error::not_found("operator", user.as_str()).at("/user"))
}
