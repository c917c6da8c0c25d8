//! Users as CSV: out of an account or a team, and in again (R-USR-5).

use crate::access::escalation;
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::bulk::BulkResult;
use crate::api::user_csv::{ExportCsv, ImportCsv, ImportedUser, UserCsv, UserImport};
use crate::domain;
use crate::domain::bulk;
use crate::domain::{groups, members, membership, roles};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::page::{SCAN_MAX, read_cursor, write_cursor};
use crate::model::{
    self, Actor, Count, Cursor, Email, GrantExisting, Id, Mailbox, Name, RoleScope,
};
use crate::rules::user_csv::{Column, Columns, CsvSeparator, Rows, broken, neutralised};
use crate::tables::accounts::{self, account_line};
use crate::tables::{people, users};
use csv::{StringRecord, Terminator, WriterBuilder};
use serde::de::IgnoredAny;
use std::collections::HashMap;

/// Most rows of one call, out or in.
pub(crate) const MOST_ROWS: u64 = 1000;
/// Most bytes of CSV that one call takes.
pub(crate) const MOST_BYTES: usize = 900 << 10;

/// A row of which nothing is known yet but its line.
fn unread(line: u64) -> ImportedUser {
    ImportedUser {
        line,
        user: None,
        created: false,
    }
}

/// The result of a row that is refused before it is imported.
pub(crate) fn refused(line: u64, error: &Error) -> BulkResult<ImportedUser> {
    BulkResult::new(unread(line), Err(error))
}

/// What is wrong with a field is wrong with its column.
fn at_column(error: Error) -> Error {
    match error.field().and_then(Column::of_field) {
        Some(column) => error.at(format!("/{}", column.name())),
        None => error,
    }
}

impl Operation for ExportCsv {
    type Answer = UserCsv;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<UserCsv, Error> {
        let limit = self.limit.map_or(MOST_ROWS, Count::get);
        if !(1..=MOST_ROWS).contains(&limit) {
            return Err(Error::invalid(
                "/limit",
                format!("A page has 1 to {MOST_ROWS} rows, not {limit}."),
            ));
        }
        let line =
            account_line(&mut ctx.tx, &self.account).map_err(|error| error.at("/account"))?;
        let managed = ctx.manages_team_of(&self.account)?;
        let list = if line.len() == 1 && managed {
            List::Team(&self.account)
        } else {
            List::Members(&self.account)
        };
        let (found, next) = memberships(ctx, &list, self.after.as_ref(), limit)?;

        let mut writer = WriterBuilder::new()
            .terminator(Terminator::CRLF)
            .from_writer(Vec::new());
        let broken = |error: csv::Error| {
            Error::internal(format!(
                "This is a defect to report: a row cannot be written ({error})."
            ))
        };
        if self.header.unwrap_or(self.after.is_none()) {
            writer
                .write_record(Column::ALL.map(Column::name))
                .map_err(broken)?;
        }
        let hidden = visibility::hidden_in(ctx, &self.account)?;
        let mut rows = 0;
        for (account, user) in found {
            let Some(member) = ctx
                .tx
                .get::<model::Member>(&keys::member(&account, &user))?
            else {
                continue;
            };
            if hidden.contains(&user) {
                continue;
            }
            let user = users::load(&mut ctx.tx, &user, "/account")?;
            writer
                .write_record(
                    Column::ALL
                        .map(|column| cell(column, &user, &member))
                        .iter()
                        .map(|text| neutralised(text).into_owned()),
                )
                .map_err(broken)?;
            rows += 1;
        }
        let bytes = writer.into_inner().map_err(|error| {
            Error::internal(format!(
                "This is a defect to report: the rows cannot be written ({error})."
            ))
        })?;
        let csv = String::from_utf8(bytes).map_err(|error| {
            Error::internal(format!(
                "This is a defect to report: the rows are no text ({error})."
            ))
        })?;
        Ok(UserCsv { csv, rows, next })
    }
}

fn cell(column: Column, user: &model::User, member: &model::Member) -> String {
    let name = |name: &Option<Name>| name.as_ref().map_or_else(String::new, Name::to_string);
    let id = |id: &Option<Id>| id.as_ref().map_or_else(String::new, Id::to_string);
    match column {
        Column::Email => user.email.as_typed().to_owned(),
        Column::FirstName => name(&user.profile.first_name),
        Column::LastName => name(&user.profile.last_name),
        Column::Account => member.account.to_string(),
        Column::Role => id(&member.role),
        Column::Group => id(&member.group),
        Column::Owner => member.owner.to_string(),
        Column::Disabled => (member.disabled || user.disabled).to_string(),
    }
}

/// Whose memberships are listed.
enum List<'a> {
    /// Those of one account, by user.
    Members(&'a Id),
    /// Those of a top account and all below it, by e-mail address and account.
    Team(&'a Id),
}

/// The rows of a page, as account and user, and where to go on.
type Memberships = (Vec<(Id, Id)>, Option<Cursor>);

/// One page of memberships. The cursor names the last one that was looked at.
fn memberships(
    ctx: &mut Ctx<'_>,
    list: &List<'_>,
    after: Option<&Cursor>,
    limit: u64,
) -> Result<Memberships, Error> {
    let span = match list {
        List::Members(account) => keys::range(keys::MEMBER, &[account.as_str()]),
        List::Team(top) => people::span(top.as_str(), people::Order::Email, ""),
    };
    let mut place = Place::read(after, &span)?;
    let mut tops: HashMap<Id, bool> = HashMap::new();
    let mut found = Vec::new();
    let mut looked_at = 0;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    loop {
        let people = ctx.tx.range::<IgnoredAny>(&place.key, &span.1, STEP)?;
        let last = people.len() < STEP;
        for (key, _) in people {
            let user = keys::last_id(&key).ok_or_else(|| {
                Error::corrupt(format!(
                    "The key `{}` ends in no id; restore a backup.",
                    key.escape_ascii()
                ))
            })?;
            // The accounts of a person are gone on with only where it is still the same person.
            let mut account = place.account.take().filter(|_| key == place.key);
            place.key.clone_from(&key);
            loop {
                let accounts = match list {
                    List::Members(account) => vec![(*account).clone()],
                    List::Team(_) => accounts_after(ctx, &user, account.as_ref())?,
                };
                let more = matches!(list, List::Team(_)) && accounts.len() == STEP;
                for one in accounts {
                    if found.len() == limit || looked_at == SCAN_MAX {
                        return Ok((found, Some(Place { key, account }.write(&span)?)));
                    }
                    looked_at += 1;
                    if is_listed(ctx, list, &one, &mut tops)? {
                        found.push((one.clone(), user.clone()));
                    }
                    account = Some(one);
                }
                if !more {
                    break;
                }
            }
            place.key.push(0);
        }
        if last {
            return Ok((found, None));
        }
    }
}

/// How many entries are read at once.
const STEP: usize = 128;

/// Whether an account is in the list. A person may be in other teams too.
fn is_listed(
    ctx: &mut Ctx<'_>,
    list: &List<'_>,
    account: &Id,
    tops: &mut HashMap<Id, bool>,
) -> Result<bool, Error> {
    let List::Team(top) = list else {
        return Ok(true);
    };
    if let Some(known) = tops.get(account) {
        return Ok(*known);
    }
    let listed = account_line(&mut ctx.tx, account)?
        .iter()
        .any(|ancestor| ancestor.id == **top);
    tops.insert(account.clone(), listed);
    Ok(listed)
}

fn accounts_after(ctx: &mut Ctx<'_>, user: &Id, after: Option<&Id>) -> Result<Vec<Id>, Error> {
    let (mut from, until) = keys::range(keys::MEMBERSHIP, &[user.as_str()]);
    if let Some(after) = after {
        from = keys::membership(user, after);
        from.push(0);
    }
    Ok(ctx
        .tx
        .range::<IgnoredAny>(&from, &until, STEP)?
        .iter()
        .filter_map(|(key, _)| keys::last_id(key))
        .collect())
}

/// Where an export goes on: with this person, or the first behind, and behind this account.
struct Place {
    key: Vec<u8>,
    account: Option<Id>,
}

impl Place {
    fn read(cursor: Option<&Cursor>, span: &(Vec<u8>, Vec<u8>)) -> Result<Place, Error> {
        let Some(cursor) = cursor else {
            return Ok(Place {
                key: span.0.clone(),
                account: None,
            });
        };
        let (_, key) = read_cursor(cursor, std::slice::from_ref(span))?;
        // No id holds the byte 1: it parts the key of the person from the account.
        let mut parts = key.splitn(2, |byte| *byte == 1);
        let (person, account) = (parts.next().unwrap_or_default().to_vec(), parts.next());
        let account = account.and_then(|account| Id::new(std::str::from_utf8(account).ok()?).ok());
        Ok(Place {
            key: person,
            account,
        })
    }

    fn write(self, span: &(Vec<u8>, Vec<u8>)) -> Result<Cursor, Error> {
        let mut key = self.key;
        if let Some(account) = self.account {
            key.push(1);
            key.extend_from_slice(account.as_str().as_bytes());
        }
        write_cursor(0, &span.0, &key)
    }
}

impl Operation for ImportCsv {
    type Answer = UserImport;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<UserImport, Error> {
        if self.csv.len() > MOST_BYTES {
            return Err(Error::invalid(
                "/csv",
                format!(
                    "`csv` has at most {MOST_BYTES} bytes, and this one has {}; split it.",
                    self.csv.len()
                ),
            ));
        }
        let mut importer = Importer {
            account: &self.account,
            role: self.role.as_ref(),
            accounts: HashMap::new(),
            roles: HashMap::new(),
        };
        importer.known(ctx, &self.account)?;
        let (columns, rows) = read_rows(&self)?;
        let many = rows.into_iter().map(|(line, row)| (unread(line), row));
        let answer = bulk::each(ctx, self.atomic, many, |ctx, one, row| {
            let (user, created) = importer.row(ctx, &columns, &row?).map_err(at_column)?;
            (one.user, one.created) = (Some(user), created);
            Ok(())
        })?;
        let count = |is_counted: fn(&BulkResult<ImportedUser>) -> bool| {
            answer
                .results
                .iter()
                .filter(|result| is_counted(result))
                .count() as u64
        };
        Ok(UserImport {
            refused: answer.refused,
            rows: count(|_| true),
            members: count(|result| result.done),
            created: count(|result| result.subject.created),
            stopped: false,
            results: answer.results,
        })
    }
}

/// A row by its line, or why it cannot be read.
type ReadRow = (u64, Result<StringRecord, Error>);

/// The columns and the rows of a request. Text that is no table is refused as a whole.
fn read_rows(request: &ImportCsv) -> Result<(Columns, Vec<ReadRow>), Error> {
    let first_line = request.first_line.map_or(1, Count::get);
    let text = request.csv.strip_prefix('\u{feff}').unwrap_or(&request.csv);
    let separator = request.separator.unwrap_or_else(|| match &request.columns {
        Some(columns) => CsvSeparator::of_rows(text, columns.len()),
        None => CsvSeparator::of_header(text),
    });
    let mut rows = Rows::new(text, first_line, separator);
    let columns = match &request.columns {
        Some(names) => Columns::read(names.iter().map(String::as_str), first_line)
            .map_err(|error| error.at("/columns"))?,
        None => {
            let line = rows.next()?.map_or(first_line, |row| row.line);
            Columns::read(rows.fields().iter(), line).map_err(|error| error.at("/csv"))?
        }
    };
    let mut read = Vec::new();
    while let Some(row) = rows.next()? {
        if read.len() as u64 == MOST_ROWS {
            return Err(Error::invalid(
                "/csv",
                format!(
                    "One call takes at most {MOST_ROWS} rows of `csv`; import the rest with \
                     another call."
                ),
            ));
        }
        let fields = if rows.is_unclosed(row) {
            Err(broken(
                row.line,
                "A quote is opened in this row and never closed, so the rest of the text is one \
                 field; close it.",
            ))
        } else {
            Ok(rows.fields().clone())
        };
        read.push((row.line, fields));
    }
    Ok((columns, read))
}

/// What rows have in common is found out once.
struct Importer<'a> {
    account: &'a Id,
    role: Option<&'a Id>,
    accounts: HashMap<Id, Result<Known, Error>>,
    /// Whether the actor may give a role in an account, or where it is that of the package, none.
    roles: HashMap<(Id, Option<Id>), Result<(), Error>>,
}

/// What counts in an account for every row.
#[derive(Clone)]
struct Known {
    top: Id,
    default_role: Option<Id>,
    role_scope: RoleScope,
    /// Whether the actor adds every user of the platform.
    adds_anybody: bool,
    /// Whether the actor gives users of the team access to the account.
    grants: bool,
}

impl Importer<'_> {
    fn known(&mut self, ctx: &mut Ctx<'_>, account: &Id) -> Result<Known, Error> {
        if let Some(known) = self.accounts.get(account) {
            return known.clone();
        }
        let known = self.look_at(ctx, account);
        self.accounts.insert(account.clone(), known.clone());
        known
    }

    fn look_at(&self, ctx: &mut Ctx<'_>, account: &Id) -> Result<Known, Error> {
        let line = account_line(&mut ctx.tx, account).map_err(|error| error.at("/account"))?;
        let (Some(own), Some(top)) = (line.first(), line.last()) else {
            return Err(Error::not_found("account", account.as_str()).at("/account"));
        };
        if !line.iter().any(|ancestor| ancestor.id == *self.account) {
            return Err(Error::not_found("account", account.as_str()).at("/account"));
        }
        if let (Actor::User { .. }, true) = (ctx.actor, account != self.account) {
            ctx.require_in(account, "users.invite")
                .map_err(|error| error.at("/account"))?;
        }
        let policies = ctx.policies(Some(account))?;
        let grants = visibility::holds_in(ctx, account, "users.grant_account")?
            && (policies.grant_existing == GrantExisting::Holder
                || visibility::parent(ctx)?.is_some());
        Ok(Known {
            top: top.id.clone(),
            default_role: own.default_role.clone(),
            role_scope: policies.role_scope,
            adds_anybody: visibility::home(ctx).is_none(),
            grants,
        })
    }

    /// Imports one row; whose it is, and whether it made a user.
    fn row(
        &mut self,
        ctx: &mut Ctx<'_>,
        columns: &Columns,
        row: &StringRecord,
    ) -> Result<(Id, bool), Error> {
        columns.check(row)?;
        let pasted = columns
            .field(row, Column::Email)
            .ok_or_else(|| Error::invalid("/email", "The row has no `email`; add one."))?;
        let mailbox = Mailbox::read(pasted);
        let email = Email::new(mailbox.address).map_err(|error| Error::invalid("/email", error))?;
        let mut names = [
            columns.value(row, Column::FirstName, Name::new)?,
            columns.value(row, Column::LastName, Name::new)?,
        ];
        if names.iter().all(Option::is_none) {
            names = mailbox.names();
        }
        let account = columns
            .value(row, Column::Account, Id::new)?
            .unwrap_or_else(|| self.account.clone());
        let role = columns.value(row, Column::Role, Id::new)?;
        let group = columns.value(row, Column::Group, Id::new)?;
        let disabled = columns.flag(row, Column::Disabled)?;
        let known = self.known(ctx, &account)?;
        // Where the account has no groups, an export names the one that everybody is in.
        if let Some(group) = &group
            && accounts::load(&mut ctx.tx, &account, "/account")?.default_group != *group
        {
            groups::require_groups(ctx, &account, "/group")?;
        }

        let there = ctx.tx.get::<Id>(&keys::email(email.key()))?;
        if let Some(user) = &there {
            if members::show::find(ctx, &account, user)?.is_some() {
                return Err(Error::new(
                    Code::AlreadyMember,
                    format!("`{}` is a member already; leave it out.", email.as_typed()),
                )
                .at("/email"));
            }
            refuse_stranger(ctx, &known, &account, user, &email)?;
        }
        if columns.flag(row, Column::Owner)? {
            return Err(Error::invalid(
                "/owner",
                "An import makes no `owner`; import a member, then transfer the account.",
            ));
        }
        let (user, new) = found_or_made(ctx, there, email, names)?;
        let role = self.role_for(ctx, &account, &known, &user.id, role)?;
        membership::create(
            ctx,
            &account,
            &user,
            membership::Place {
                role,
                owner: false,
                group,
                disabled,
                until_ms: None,
            },
        )?;
        Ok((user.id, new))
    }

    /// The role of a new member: that of the row, of the request, or the default of the account
    /// (R-INV-8, R-TEA-9).
    fn role_for(
        &mut self,
        ctx: &mut Ctx<'_>,
        account: &Id,
        known: &Known,
        user: &Id,
        named: Option<Id>,
    ) -> Result<Option<Id>, Error> {
        let named = named.or_else(|| self.role.cloned());
        let role = match known.role_scope {
            RoleScope::Membership => named,
            RoleScope::User | RoleScope::Package => {
                membership::fitting_role(ctx, account, user, named)?
            }
        };
        let role = match role.or_else(|| known.default_role.clone()) {
            _ if known.role_scope == RoleScope::Package => None,
            None => {
                return Err(Error::invalid(
                    "/role",
                    format!("`{account}` has no default role; name a `role`."),
                ));
            }
            role => role,
        };
        let given = (account.clone(), role.clone());
        if !self.roles.contains_key(&given) {
            let there = role.as_ref().map_or(Ok(()), |role| {
                roles::load_for(ctx, role, account, "/role").map(drop)
            });
            let may = there
                .and_then(|()| escalation::members::refuse_membership(ctx, account, role.as_ref()));
            self.roles.insert(given.clone(), may);
        }
        self.roles.get(&given).cloned().unwrap_or(Ok(()))?;
        Ok(role)
    }
}

/// The user of a row, and whether they were made for it: where `there` names one, it is that one.
fn found_or_made(
    ctx: &mut Ctx<'_>,
    there: Option<Id>,
    email: Email,
    [first_name, last_name]: [Option<Name>; 2],
) -> Result<(model::User, bool), Error> {
    if let Some(user) = there {
        return Ok((users::load(&mut ctx.tx, &user, "/email")?, false));
    }
    let named_at = domain::users::NamedAt {
        id: "/email",
        email: "/email",
    };
    let user = domain::users::create::create(ctx, None, email, first_name, last_name, &named_at)?;
    Ok((user, true))
}

/// Users of other teams are nobody's to add but the host's and the operators'; those of this team,
/// by policy the parent's or everybody's who may give access (R-INV-7).
fn refuse_stranger(
    ctx: &mut Ctx<'_>,
    known: &Known,
    account: &Id,
    user: &Id,
    email: &Email,
) -> Result<(), Error> {
    let email = email.as_typed();
    if known.adds_anybody {
        return Ok(());
    }
    if people::seats_of(&mut ctx.tx, &known.top, user)? == 0 {
        return Err(Error::new(
            Code::EmailTaken,
            format!("`{email}` belongs to a user already; invite them."),
        )
        .at("/email"));
    }
    // A member whom the actor does not see is one of another account to them (R-INV-10).
    if known.grants && !ctx.tx.has(&keys::member(account, user))? {
        return Ok(());
    }
    let message =
        format!("`{email}` belongs to another account of the team; ask the parent to give access.");
    Err(Error::new(Code::UserInOtherAccount, message).at("/email"))
}
