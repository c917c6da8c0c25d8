//! The catalogue: one row for each operation, sorted by name. An operation that is not in it does
//! not exist in any language. Only its row says who may call an operation, and in which
//! circumstances; `operations!` in `catalogue/columns.rs` explains the columns.

mod columns;
mod entry;
mod lookup;
mod rules;
#[cfg(test)]
mod tests;

pub use entry::{Entry, Visitor};

use crate::api::bulk::BulkResults;
use crate::api::operation::Access::{Operator, Rule, System};
use crate::api::operation::{Contract, Effect, Gates, Request};
use crate::api::{
    access, accounts, addresses, api_keys, assets, audit, automations, campaigns, caps, clock,
    credits, gauges, groups, invitations, leases, limits, members, operators, outbox, packages,
    passwords, permissions, policies, reservations, resources, roles, second_factors, sending,
    sessions, sharing, store, suppressions, teams, threads, usage, user_csv, users,
};
use crate::model::Decision;
use crate::model::{self, Id};
use columns::{account, account_of, gate, operations, users};
use entry::entry;
use once_cell::sync::Lazy;

operations! {
//  name: request => answer, effect account
//      [on hold, with an API key, logged in as another, after a recent log-in, without 2FA] who may
    access.check: access::Check => access::AccessCheck, Read at account
        [-       key log_in_as -      -     ] account("users.view", "clients.view_all");
    access.explain: access::Explain => access::AccessExplanation, Read at account
        [-       key log_in_as -      -     ] account("users.view", "clients.view_all");
    access.what_can: access::WhatCan => access::UserPermissions, Read at account
        [-       key log_in_as -      -     ] account("users.view", "clients.view_all");
    access.who_can: access::WhoCan => access::AccessHolderList, Read at account
        [-       key log_in_as -      -     ] account("users.view", "clients.view_all");
    accounts.activate: accounts::Activate => accounts::Account, Write at account
        [-       key log_in_as -      -     ] account("accounts.close", "clients.status");
    accounts.bulk: accounts::Bulk => BulkResults<accounts::BulkAccount>, Write at -
        [-       key log_in_as -      -     ] Operator("clients.bulk");
    accounts.close: accounts::Close => accounts::Account, Write at account
        [-       key -         -      -     ] account("accounts.close", "clients.status");
    accounts.create: accounts::Create => accounts::Account, Write at -
        [-       key log_in_as -      -     ] Operator("clients.add");
    accounts.create_child: teams::CreateChild => teams::ChildCreated, Write at parent
        [-       key -         -      -     ] account("accounts.create_child", "clients.add");
    accounts.delete: accounts::Delete => accounts::AccountDeleted, Write at account
        [-       key -         -      -     ] account("accounts.delete", "clients.delete");
    accounts.edit: accounts::Edit => accounts::Account, Write at account
        [-       key log_in_as -      -     ] account("accounts.edit", "clients.edit");
    accounts.get: accounts::Get => accounts::Account, Read at account
        [-       key log_in_as -      -     ] account("accounts.view", "clients.view_all");
    accounts.hold: accounts::Hold => accounts::Account, Write at account
        [-       key log_in_as -      -     ] account("accounts.edit", "clients.status");
    accounts.list: accounts::List => accounts::AccountList, Read by team_or_parent
        [-       key log_in_as -      -     ]
        Rule("users with `accounts.team`, for the accounts below their own; operators with \
            `clients.view_all`");
    accounts.quote: teams::Quote => teams::AccountQuote, Read at parent
        [-       key log_in_as -      -     ] account("accounts.price.view", "clients.view_all");
    // Users who put their own account on hold can release it, though they can do nothing else
    // there.
    accounts.release: accounts::Release => accounts::Account, Write at account
        [on_hold key log_in_as -      -     ] account("accounts.edit", "clients.status");
    accounts.reopen: accounts::Reopen => accounts::Account, Write at account
        [-       key log_in_as -      -     ] account("accounts.close", "clients.status");
    accounts.switch: teams::Switch => teams::AccountSwitch, Read at -
        [-       -   -         -      -     ]
        Rule("users about themselves; operators with `clients.view_all`");
    accounts.switchable: teams::Switchable => teams::SwitchableList, Read at -
        [-       -   -         -      -     ]
        Rule("users about themselves; operators with `clients.view_all`");
    accounts.team: teams::Team => teams::TeamList, Read at account
        [-       key log_in_as -      -     ] account("accounts.team", "clients.view_all");
    accounts.transfer_owner: teams::TransferOwner => teams::OwnerTransferred, Write at account
        [-       key -         recent -     ] account("accounts.transfer_owner", "clients.edit");
    accounts.validate: accounts::Validate => accounts::AccountValidation, Read at -
        [-       key log_in_as -      -     ] Operator("clients.add");
    addresses.get: addresses::Get => addresses::AddressList, Read maybe account
        [-       key log_in_as -      -     ]
        Rule("R-SES-3: users with `accounts.view` for an account, with `users.view` for a member, \
            and with `self.password` for themselves; operators with `clients.view_all`");
    addresses.set: addresses::Set => addresses::AddressList, Write maybe account
        [-       -   -         -      -     ]
        Rule("R-SES-3: users with `accounts.edit` for an account, with `users.disable` for a \
            member, and with `self.password` for themselves; operators with `clients.edit`");
    api_keys.check: api_keys::Check => api_keys::ApiKeyProof, Send at -
        [-       -   -         -      -     ] System;
    api_keys.create: api_keys::Create => api_keys::ApiKeyToken, Write at account
        [-       -   -         recent -     ] users("api_keys.create");
    api_keys.delete: api_keys::Delete => api_keys::ApiKeyDeleted, Write at account
        [-       -   -         -      -     ]
        Rule("R-SES-7: users for their own keys, and with `api_keys.revoke` for those of others; \
            operators with `clients.status`");
    api_keys.edit: api_keys::Edit => api_keys::ApiKey, Write at account
        [-       -   -         recent -     ] users("api_keys.create");
    api_keys.list: api_keys::List => api_keys::ApiKeyList, Read at account
        [-       -   log_in_as -      -     ]
        Rule("R-SES-7: users for their own keys, and with `api_keys.view` for those of others; \
            operators with `clients.view_all`");
    api_keys.rotate: api_keys::Rotate => api_keys::ApiKeyToken, Write at account
        [-       -   -         recent -     ] users("api_keys.create");
    assets.assign: assets::Assign => assets::AssetList, Write at account
        [-       key log_in_as -      -     ] Operator("clients.edit");
    assets.check: assets::Check => assets::Asset, Read at account
        [-       key log_in_as -      -     ] Rule(rules::ASSETS);
    assets.get: assets::Get => assets::AssetList, Read at account
        [-       key log_in_as -      -     ] Rule(rules::ASSETS);
    assets.unassign: assets::Unassign => assets::AssetList, Write at account
        [-       key log_in_as -      -     ] Operator("clients.edit");
    audit.export: audit::Export => audit::AuditExport, Read maybe account
        [-       key log_in_as -      -     ] account("audit.export", "clients.view_all");
    audit.head: audit::Head => audit::AuditHeadItem, Read maybe account
        [-       key log_in_as -      -     ] account("audit.verify", "clients.view_all");
    audit.list: audit::List => audit::AuditPage, Read maybe account
        [-       key log_in_as -      -     ] account("audit.view", "clients.view_all");
    audit.prune: audit::Prune => audit::AuditPruned, Write at -
        [-       key log_in_as -      -     ] System;
    audit.verify: audit::Verify => audit::AuditVerification, Read maybe account
        [-       key log_in_as -      -     ] account("audit.verify", "clients.view_all");
    automations.admit: automations::Admit => Decision, Send at account
        [-       key log_in_as -      -     ] System;
    automations.check: automations::Check => automations::AutomationSize, Read at account
        [-       key log_in_as -      -     ] users("automation.view");
    campaigns.get: campaigns::Get => model::Campaign, Read at account
        [-       key log_in_as -      -     ] account("campaigns.view", "clients.view_all");
    campaigns.list: campaigns::List => campaigns::CampaignList, Read at account
        [-       key log_in_as -      -     ] account("campaigns.view", "clients.view_all");
    campaigns.report: campaigns::Report => model::Campaign, Write at account
        [-       key log_in_as -      -     ] System;
    campaigns.resume: campaigns::Resume => model::Campaign, Write at account
        [-       key log_in_as -      -     ] account("campaigns.resume", "clients.edit");
    campaigns.stop: campaigns::Stop => model::Campaign, Write at account
        [-       key log_in_as -      -     ] account("campaigns.pause", "clients.edit");
    caps.list: caps::List => caps::CapList, Read maybe account
        [-       key log_in_as -      -     ] account("limits.view", "clients.view_all");
    caps.remove: caps::Remove => caps::CapRemoved, Write maybe account
        [-       key log_in_as -      -     ] account("groups.limit", "packages.override_limits");
    caps.set: caps::Set => caps::Cap, Write maybe account
        [-       key log_in_as -      -     ] account("groups.limit", "packages.override_limits");
    clock.confirm: clock::Confirm => clock::ClockReading, Send at -
        [-       key log_in_as -      -     ] System;
    clock.get: clock::Get => clock::ClockReading, Read at -
        [-       key log_in_as -      -     ] System;
    clock.set: clock::Set => clock::ClockReading, Send at -
        [-       key log_in_as -      -     ] System;
    clock.undo: clock::Undo => clock::ClockUndone, Send at -
        [-       key log_in_as -      -     ] System;
    credits.allocate: credits::Allocate => credits::CreditMove, Write at account
        [-       key -         -      -     ] Rule(rules::CREDITS_BY_ANCESTORS);
    credits.balance: credits::Balance => credits::CreditBalance, Read at account
        [-       key log_in_as -      -     ] account("credits.view", "clients.view_all");
    credits.grant: credits::Grant => model::CreditEntry, Write at account
        [-       key -         -      -     ] Operator("clients.add_credits");
    credits.ledger: credits::Ledger => credits::CreditLedger, Read at account
        [-       key log_in_as -      -     ] account("credits.view", "clients.view_all");
    // Not by the account itself, which could give itself back without end what it has paid.
    credits.refund: credits::Refund => model::CreditEntry, Write at account
        [-       key -         -      -     ] Operator("clients.add_credits");
    credits.reserve: credits::Reserve => credits::CreditReserve, Write at account
        [-       key -         -      -     ] account("groups.reserve", "clients.edit");
    credits.spend: credits::Spend => model::CreditEntry, Write at account
        [-       key -         -      -     ] System;
    credits.take_back: credits::TakeBack => credits::CreditMove, Write at account
        [-       key -         -      -     ] Rule(rules::CREDITS_BY_ANCESTORS);
    credits.unreserve: credits::Unreserve => credits::CreditReserve, Write at account
        [-       key -         -      -     ] account("groups.reserve", "clients.edit");
    credits.withdraw: credits::Withdraw => model::CreditEntry, Write at account
        [-       key -         -      -     ] Operator("clients.add_credits");
    gauges.claim: gauges::Claim => gauges::Gauge, Write at account
        [-       key log_in_as -      -     ] System;
    gauges.get: gauges::Get => gauges::GaugeList, Read at account
        [-       key log_in_as -      -     ] account("limits.view", "clients.view_all");
    gauges.reconcile: gauges::Reconcile => gauges::Gauge, Write at account
        [-       key log_in_as -      -     ] System;
    gauges.release: gauges::Release => gauges::Gauge, Write at account
        [-       key log_in_as -      -     ] System;
    groups.add_members: groups::AddMembers => groups::GroupMove, Write at account
        [-       key log_in_as -      -     ] account("groups.members.add", "clients.edit");
    groups.clear_avatar: groups::ClearAvatar => groups::Group, Write at account
        [-       key log_in_as -      -     ] account("groups.avatar", "clients.edit");
    groups.create: groups::Create => groups::Group, Write at account
        [-       key log_in_as -      -     ] account("groups.create", "clients.edit");
    groups.delete: groups::Delete => groups::GroupDeleted, Write at account
        [-       key log_in_as -      -     ] account("groups.delete", "clients.edit");
    groups.get: groups::Get => groups::Group, Read at account
        [-       key log_in_as -      -     ] account("groups.view", "clients.view_all");
    groups.list: groups::List => groups::GroupList, Read at account
        [-       key log_in_as -      -     ] account("groups.view", "clients.view_all");
    groups.make_default: groups::MakeDefault => groups::Group, Write at account
        [-       key log_in_as -      -     ] account("groups.members.add", "clients.edit");
    groups.remove_members: groups::RemoveMembers => groups::GroupMove, Write at account
        [-       key log_in_as -      -     ] account("groups.members.remove", "clients.edit");
    groups.rename: groups::Rename => groups::Group, Write at account
        [-       key log_in_as -      -     ] account("groups.rename", "clients.edit");
    groups.set_avatar: groups::SetAvatar => groups::Group, Write at account
        [-       key log_in_as -      -     ] account("groups.avatar", "clients.edit");
    groups.set_caps: groups::SetCaps => groups::Group, Write at account
        [-       key log_in_as -      -     ] account("groups.limit", "clients.edit");
    groups.transfer_members: groups::TransferMembers => groups::GroupMove, Write at account
        [-       key log_in_as -      -     ] account("groups.members.transfer", "clients.edit");
    groups.usage: groups::Usage => groups::GroupUsage, Read at account
        [-       key log_in_as -      -     ] account("groups.view", "clients.view_all");
    invitations.accept: invitations::Accept => invitations::InvitationAccepted, Write at -
        [-       key log_in_as -      -     ] System;
    invitations.accept_received:
        invitations::AcceptReceived => invitations::InvitationAccepted, Write at -
        [-       key log_in_as -      -     ] System;
    invitations.create:
        invitations::Create => BulkResults<invitations::InvitedAddress>, Write maybe account
        [-       key log_in_as -      -     ] account("users.invite", "clients.edit");
    invitations.decline: invitations::Decline => invitations::InvitationDeclined, Write at -
        [-       key log_in_as -      -     ] System;
    invitations.delete: invitations::Delete => invitations::InvitationDeleted, Write at -
        [-       key log_in_as -      -     ] account("users.invitations.delete", "clients.edit");
    invitations.edit: invitations::Edit => invitations::Invitation, Write at -
        [-       key log_in_as -      -     ] account("users.invitations.edit", "clients.edit");
    invitations.erase: invitations::Erase => invitations::InvitationsErased, Write at -
        [-       key -         -      -     ] account("users.invitations.delete", "clients.delete");
    invitations.get: invitations::Get => invitations::Invitation, Read at -
        [-       key log_in_as -      -     ] account("users.view", "clients.view_all");
    invitations.list: invitations::List => invitations::InvitationList, Read at account
        [-       key log_in_as -      -     ] account("users.view", "clients.view_all");
    invitations.look_up: invitations::LookUp => invitations::InvitationOffer, Read at -
        [-       key log_in_as -      -     ] System;
    invitations.received: invitations::Received => invitations::InvitationOfferList, Read at -
        [-       key log_in_as -      -     ] System;
    invitations.report_delivery: invitations::ReportDelivery => invitations::Invitation, Write at -
        [-       key log_in_as -      -     ] System;
    invitations.resend: invitations::Resend => invitations::Invitation, Write at -
        [-       key log_in_as -      -     ] account("users.invitations.resend", "clients.edit");
    leases.acquire: leases::Acquire => leases::LeaseState, Write at account
        [-       key log_in_as -      -     ] Rule("users who may edit the resource");
    leases.get: leases::Get => leases::LeaseState, Read at account
        [-       key log_in_as -      -     ]
        Rule("users who see the resource, and operators with `clients.view_all`");
    leases.release: leases::Release => leases::LeaseState, Write at account
        [-       key log_in_as -      -     ] Rule("the user who has the lease");
    leases.renew: leases::Renew => leases::LeaseState, Write at account
        [-       key log_in_as -      -     ] Rule("the user who has the lease");
    leases.take_over: leases::TakeOver => leases::LeaseState, Write at account
        [-       key log_in_as -      -     ]
        Rule("the owner and the administrators; users who manage the team from an account above \
            and may edit all resources of the kind");
    limits.allocate: limits::Allocate => limits::LimitExplanations, Write at account
        [-       key log_in_as -      -     ]
        Rule("users who manage the team from an account above (`accounts.team`); operators with \
            `packages.override_limits`");
    limits.explain: limits::Explain => limits::LimitExplanations, Read at account
        [-       key log_in_as -      -     ] account("limits.explain", "clients.view_all");
    limits.inherit: limits::Inherit => limits::LimitExplanations, Write at account
        [-       key log_in_as -      -     ] Operator("packages.override_limits");
    limits.set: limits::Set => limits::LimitExplanations, Write at account
        [-       key log_in_as -      -     ] Operator("packages.override_limits");
    limits.set_default: limits::SetDefault => limits::DefaultLimits, Write at -
        [-       key log_in_as -      -     ] Operator("platform.policies");
    members.add: members::Add => members::Member, Write at account
        [-       key log_in_as -      -     ]
        Rule("R-INV-7: users with `users.grant_account` in the account, who also have to manage \
            the team unless the policy `grant_existing` is `holder`; operators with \
            `clients.edit`");
    members.bulk: members::Bulk => BulkResults<members::BulkMember>, Write at account
        [-       key log_in_as -      -     ]
        Rule("R-ACC-5: users who may do the action to one member; operators who may too, with \
            `clients.bulk`");
    members.disable: members::Disable => members::Member, Write at account
        [-       key log_in_as -      -     ] account("users.disable", "clients.status");
    members.enable: members::Enable => members::Member, Write at account
        [-       key log_in_as -      -     ] account("users.disable", "clients.status");
    members.get: members::Get => members::Member, Read at account
        [-       key log_in_as -      -     ] account("users.view", "clients.view_all");
    members.grant: members::Grant => members::MembersGranted, Write at -
        [-       key log_in_as -      -     ]
        Rule("R-INV-7: users with `users.grant_account` in each of the accounts, who also have to \
            manage the team unless the policy `grant_existing` is `holder`; operators with \
            `clients.edit`");
    members.leave: members::Leave => members::MemberRemoved, Write at account
        [-       -   -         -      -     ]
        Rule("R-INV-12: every member in person, for themself, in the account in which they act");
    members.list: members::List => members::MemberList, Read at account
        [-       key log_in_as -      -     ] account("users.view", "clients.view_all");
    members.people: members::People => members::PersonList, Read at account
        [-       key log_in_as -      -     ] account("users.view", "clients.view_all");
    members.remove: members::Remove => members::MemberRemoved, Write at account
        [-       key log_in_as -      -     ] account("users.revoke_account", "clients.edit");
    members.set_role: members::SetRole => members::Member, Write at account
        [-       key log_in_as -      -     ] account("users.edit_role", "clients.edit");
    operators.add: operators::Add => operators::Operator, Write at -
        [-       key log_in_as -      -     ] Operator("operators.manage");
    operators.disable: operators::Disable => operators::Operator, Write at -
        [-       key log_in_as -      -     ] Operator("operators.manage");
    operators.enable: operators::Enable => operators::Operator, Write at -
        [-       key log_in_as -      -     ] Operator("operators.manage");
    operators.get: operators::Get => operators::Operator, Read at -
        [-       key log_in_as -      -     ] Operator("operators.manage");
    operators.list: operators::List => operators::OperatorList, Read at -
        [-       key log_in_as -      -     ] Operator("operators.manage");
    operators.remove: operators::Remove => operators::OperatorRemoved, Write at -
        [-       key log_in_as -      -     ] Operator("operators.manage");
    operators.set_role: operators::SetRole => operators::Operator, Write at -
        [-       key log_in_as -      -     ] Operator("operators.manage");
    outbox.ack: outbox::Ack => outbox::OutboxSettled, Write at -
        [-       key log_in_as -      -     ] System;
    outbox.clear: outbox::Clear => outbox::OutboxCleared, Write at -
        [-       key log_in_as -      -     ] System;
    outbox.consumers: outbox::Consumers => outbox::OutboxConsumerList, Read at -
        [-       key log_in_as -      -     ] System;
    outbox.dead: outbox::Dead => outbox::OutboxDeadPage, Read at -
        [-       key log_in_as -      -     ] System;
    outbox.fail: outbox::Fail => outbox::OutboxSettled, Write at -
        [-       key log_in_as -      -     ] System;
    outbox.forget: outbox::Forget => outbox::OutboxForgotten, Write at -
        [-       key log_in_as -      -     ] System;
    outbox.read: outbox::Read => outbox::OutboxPage, Read at -
        [-       key log_in_as -      -     ] System;
    outbox.retry: outbox::Retry => outbox::OutboxSettled, Write at -
        [-       key log_in_as -      -     ] System;
    outbox.revive: outbox::Revive => outbox::OutboxSettled, Write at -
        [-       key log_in_as -      -     ] System;
    outbox.take: outbox::Take => outbox::OutboxTaken, Write at -
        [-       key log_in_as -      -     ] System;
    packages.create: packages::Create => model::Package, Write at -
        [-       key log_in_as -      -     ] Operator("packages.create");
    packages.delete: packages::Delete => packages::PackageDeleted, Write at -
        [-       key log_in_as -      -     ] Operator("packages.delete");
    packages.edit: packages::Edit => model::Package, Write at -
        [-       key log_in_as -      -     ] Operator("packages.edit");
    packages.get: packages::Get => model::Package, Read at -
        [-       key log_in_as -      -     ] Operator("packages.view");
    packages.list: packages::List => packages::PackageList, Read at -
        [-       key log_in_as -      -     ] Operator("packages.view");
    packages.preflight: packages::Preflight => packages::PackagePreflight, Read at account
        [-       key log_in_as -      -     ] Operator("packages.assign");
    packages.put: packages::Put => packages::PackagePut, Write at -
        [-       key log_in_as -      -     ] Operator("packages.edit");
    packages.retire: packages::Retire => model::Package, Write at -
        [-       key log_in_as -      -     ] Operator("packages.edit");
    passwords.ban: passwords::Ban => passwords::BannedPasswords, Write at -
        [-       -   -         -      -     ] Operator("platform.policies");
    passwords.change: passwords::Change => passwords::PasswordChanged, Send at -
        [-       -   -         -      -     ] Rule(rules::OWN_LOG_IN);
    passwords.forgot: passwords::Forgot => passwords::PasswordForgotten, Write at -
        [-       -   -         -      -     ] System;
    passwords.import_hashes: passwords::ImportHashes => passwords::PasswordsImported, Write at -
        [-       -   -         -      -     ] System;
    passwords.remove: passwords::Remove => passwords::PasswordChanged, Write at -
        [-       -   -         -      -     ] System;
    passwords.set: passwords::Set => passwords::PasswordChanged, Send at -
        [-       -   -         -      -     ] System;
    passwords.unban: passwords::Unban => passwords::BannedPasswords, Write at -
        [-       -   -         -      -     ] Operator("platform.policies");
    permissions.add: permissions::Add => permissions::Permission, Write at -
        [-       key log_in_as -      -     ] System;
    permissions.list: permissions::List => permissions::PermissionList, Read at -
        [-       key log_in_as -      -     ] account("roles.view", "roles.view");
    permissions.search: permissions::Search => permissions::PermissionList, Read at -
        [-       key log_in_as -      -     ] account("roles.view", "roles.view");
    policies.get: policies::Get => policies::PolicyReport, Read maybe account
        [-       key log_in_as -      -     ]
        Rule("for an account, users with `accounts.view` there and operators with \
            `clients.view_all`; for the platform, operators with `platform.policies`");
    policies.preset: policies::Preset => policies::PolicyReport, Write maybe account
        [-       key log_in_as -      -     ] Rule(rules::POLICIES);
    policies.put: policies::Put => policies::PolicyPut, Write maybe account
        [-       key log_in_as -      -     ] Rule(rules::POLICIES);
    policies.set: policies::Set => policies::PolicyReport, Write maybe account
        [-       key log_in_as -      -     ] Rule(rules::POLICIES);
    policies.unset: policies::Unset => policies::PolicyReport, Write maybe account
        [-       key log_in_as -      -     ] Rule(rules::POLICIES);
    reservations.commit: reservations::Commit => reservations::Reservation, Write at account
        [-       key log_in_as -      -     ] System;
    reservations.create: reservations::Create => reservations::ReservationDecision, Send at account
        [-       key log_in_as -      -     ]
        Rule("users with `campaigns.send`, or `sms.send` for text messages, for themselves");
    reservations.get: reservations::Get => reservations::Reservation, Read at account
        [-       key log_in_as -      -     ] account("limits.view", "clients.view_all");
    reservations.list: reservations::List => reservations::ReservationList, Read at account
        [-       key log_in_as -      -     ] account("limits.view", "clients.view_all");
    reservations.release: reservations::Release => reservations::Reservation, Write at account
        [-       key log_in_as -      -     ] System;
    resources.can: resources::Can => resources::ResourceDecision, Read at account
        [-       key log_in_as -      -     ] Rule(rules::VISIBILITY);
    resources.edit: resources::Edit => model::Resource, Write at account
        [-       key log_in_as -      -     ]
        Rule("the owner of the resource, and users who may change all resources of the kind");
    resources.get: resources::Get => model::Resource, Read at account
        [-       key log_in_as -      -     ]
        Rule("users who see the resource, and operators with `clients.view_all`");
    resources.register: resources::Register => model::Resource, Write at account
        [-       key log_in_as -      -     ]
        Rule("users who may create resources of the kind, for themselves");
    resources.remove: resources::Remove => resources::ResourceRemoved, Write at account
        [-       key log_in_as -      -     ] Rule("users who may delete the resource");
    resources.save: resources::Save => model::Resource, Write at account
        [-       key log_in_as -      -     ]
        Rule("users who may edit the resource, while nobody else has the lease");
    resources.share_kind: resources::ShareKind => resources::UnsharedKinds, Write at account
        [-       key log_in_as -      -     ]
        Rule("users who may share resources of the kind, for themselves; users who may share all \
            resources of the kind, for others");
    resources.unshare_kind: resources::UnshareKind => resources::UnsharedKinds, Write at account
        [-       key log_in_as -      -     ]
        Rule("every user, for themself; users who may share all resources of the kind, for others");
    resources.visible: resources::Visible => resources::ResourceList, Read at account
        [-       key log_in_as -      -     ] Rule(rules::VISIBILITY);
    resources.visible_owners:
        resources::ListVisibleOwners => resources::VisibleOwners, Read at account
        [-       key log_in_as -      -     ] Rule(rules::VISIBILITY);
    roles.copy: roles::Copy => model::Role, Write maybe account
        [-       key log_in_as -      -     ] account("roles.create", "roles.create");
    roles.create: roles::Create => model::Role, Write maybe account
        [-       key log_in_as -      -     ] account("roles.create", "roles.create");
    roles.delete: roles::Delete => roles::RoleDeleted, Write at -
        [-       key log_in_as -      -     ] account("roles.delete", "roles.delete");
    roles.edit: roles::Edit => model::Role, Write at -
        [-       key log_in_as -      -     ] account("roles.edit", "roles.edit");
    roles.get: roles::Get => model::Role, Read at -
        [-       key log_in_as -      -     ] account("roles.view", "roles.view");
    roles.list: roles::List => roles::RoleList, Read maybe account
        [-       key log_in_as -      -     ] account("roles.view", "roles.view");
    roles.put: roles::Put => roles::RolePut, Write maybe account
        [-       key log_in_as -      -     ] account("roles.edit", "roles.edit");
    roles.trial: roles::Trial => roles::RoleTrial, Read at -
        [-       key log_in_as -      -     ] account("roles.view", "roles.view");
    roles.try_out: roles::TryOut => model::Role, Write at -
        [-       key log_in_as -      -     ] account("roles.edit", "roles.edit");
    second_factors.begin: second_factors::Begin => second_factors::SecondFactorSecret, Write at -
        [-       -   -         recent no_2fa] Rule(rules::OWN_LOG_IN);
    second_factors.confirm: second_factors::Confirm => second_factors::RecoveryCodes, Write at -
        [-       -   -         recent no_2fa] Rule(rules::OWN_LOG_IN);
    second_factors.import_secret:
        second_factors::ImportSecret => second_factors::SecondFactorStatus, Write at -
        [-       -   -         recent -     ] System;
    second_factors.remove: second_factors::Remove => second_factors::SecondFactorRemoved, Write at -
        [-       -   -         recent -     ]
        Rule("R-SES-1: the person themself, with `self.password` where they act; operators with \
            `clients.edit`");
    second_factors.renew_recovery_codes:
        second_factors::RenewRecoveryCodes => second_factors::RecoveryCodes, Write at -
        [-       -   -         recent -     ] Rule(rules::OWN_LOG_IN);
    second_factors.status: second_factors::Status => second_factors::SecondFactorStatus, Read at -
        [-       -   log_in_as -      no_2fa]
        Rule("R-SES-1: the person themself, with `self.password` where they act; operators with \
            `clients.view_all`");
    sending.admit: sending::Admit => Decision, Send at account
        [-       key log_in_as -      -     ]
        Rule("R-QTA-1: users with `campaigns.send`, or `sms.send` for text messages, for \
            themselves");
    sending.admit_batch: sending::AdmitBatch => sending::SendDecisions, Send at -
        [-       key log_in_as -      -     ] System;
    sending.explain: sending::Explain => sending::SendExplanation, Read at account
        [-       key log_in_as -      -     ] account("limits.explain", "clients.view_all");
    sending.forecast: sending::Forecast => sending::SendForecast, Read at account
        [-       key log_in_as -      -     ] account("limits.explain", "clients.view_all");
    sending.refund: sending::Refund => sending::SendRefund, Send at account
        [-       key log_in_as -      -     ] System;
    sending.what_if: sending::WhatIf => sending::SendExplanation, Read at account
        [-       key log_in_as -      -     ] account("limits.explain", "clients.view_all");
    sessions.check: sessions::Check => sessions::SessionProof, Send at -
        [-       -   -         -      -     ] System;
    sessions.create: sessions::Create => sessions::SessionToken, Send at -
        [-       -   -         -      -     ] System;
    sessions.create_as: sessions::CreateAs => sessions::SessionToken, Write at -
        [-       -   -         recent -     ]
        Rule("R-SES-6: operators with `clients.login_as`, if the policy `operators_log_in_as` \
            allows it; users with `impersonation.start` and `accounts.team`, for the accounts \
            below their own; never the host itself");
    sessions.end: sessions::End => sessions::SessionsEnded, Write at -
        [-       -   -         -      no_2fa]
        Rule("R-SES-2: users with `self.devices.sign_out` for their own sessions; the person who \
            acts as another in the session; users with `impersonation.end` for sessions of others \
            who do; operators with `clients.status`; only the host by token");
    sessions.end_all: sessions::EndAll => sessions::SessionsEnded, Write at -
        [-       -   -         -      no_2fa]
        Rule("R-SES-2: users with `self.devices.sign_out` for their own sessions; users with \
            `users.disable` in the only team of the user; operators with `clients.status`");
    sessions.list: sessions::List => sessions::SessionList, Read at -
        [-       -   log_in_as -      no_2fa]
        Rule("R-SES-2: users with `self.devices.view` for their own sessions, and with \
            `impersonation.list` for those in which others act as users of their account; \
            operators with `clients.view_all`");
    sessions.renew: sessions::Renew => sessions::SessionToken, Send at -
        [-       -   -         -      -     ] System;
    sharing.check: sharing::Check => sharing::SharingCheck, Read at account
        [-       key log_in_as -      -     ]
        Rule("users about themselves; users with `users.view`, and operators with \
            `clients.view_all`, about others");
    sharing.list: sharing::List => sharing::ShareableList, Read at account
        [-       key log_in_as -      -     ] account("templates.share_down", "clients.view_all");
    sharing.received: sharing::Received => sharing::ReceivedList, Read at account
        [-       key log_in_as -      -     ] account("templates.view", "clients.view_all");
    sharing.share: sharing::Share => sharing::ShareableTemplate, Write at account
        [-       key log_in_as -      -     ] account("templates.share_down", "clients.edit");
    sharing.unshare: sharing::Unshare => sharing::ShareEnded, Write at account
        [-       key log_in_as -      -     ] account("templates.unshare", "clients.edit");
    store.backup: store::Backup => store::StoreBackup, Read at -
        [-       key log_in_as -      -     ] System;
    store.barrier: store::Barrier => store::StoreBarrier, Read at -
        [-       key log_in_as -      -     ] System;
    store.compact: store::Compact => store::StoreCompacted, Send at -
        [-       key log_in_as -      -     ] System;
    store.copy: store::Copy => store::StoreCopy, Read at -
        [-       key log_in_as -      -     ] System;
    store.info: store::Info => store::StoreInfo, Read at -
        [-       key log_in_as -      -     ] System;
    store.metrics: store::Metrics => store::StoreMetrics, Read at -
        [-       key log_in_as -      -     ] System;
    store.repair: store::Repair => store::StoreRepair, Send at -
        [-       key log_in_as -      -     ] System;
    store.restore: store::Restore => store::StoreCopy, Read at -
        [-       key log_in_as -      -     ] System;
    store.state_hash: store::StateHash => store::StoreStateHash, Read at -
        [-       key log_in_as -      -     ] System;
    store.stats: store::Stats => store::StoreStats, Read at -
        [-       key log_in_as -      -     ] System;
    store.verify: store::Verify => store::StoreVerification, Read at -
        [-       key log_in_as -      -     ] System;
    suppressions.add: suppressions::Add => suppressions::SuppressionsAdded, Write at account
        [-       key log_in_as -      -     ]
        Rule("users with `suppressions.add` for addresses, `suppressions.domains.add` for \
            domains; operators with `clients.edit`");
    suppressions.check: suppressions::Check => suppressions::SuppressionCheck, Read at account
        [-       key log_in_as -      -     ] account("suppressions.view", "clients.view_all");
    suppressions.import_many:
        suppressions::Import => BulkResults<suppressions::ImportedSuppression>, Write at account
        [-       key log_in_as -      -     ] account("suppressions.import", "clients.edit");
    suppressions.list: suppressions::List => suppressions::SuppressionList, Read at account
        [-       key log_in_as -      -     ] account("suppressions.view", "clients.view_all");
    suppressions.pool: suppressions::Pool => suppressions::SuppressionPool, Write at account
        [-       key log_in_as -      -     ] account("suppressions.share", "clients.edit");
    suppressions.remove: suppressions::Remove => suppressions::SuppressionsRemoved, Write at account
        [-       key log_in_as -      -     ]
        Rule("users with `suppressions.remove` for addresses, `suppressions.domains.remove` for \
            domains; operators with `clients.edit`");
    threads.acquire: threads::Acquire => model::Slot, Write at account
        [-       key log_in_as -      -     ] System;
    threads.list: threads::List => threads::SlotList, Read at account
        [-       key log_in_as -      -     ] System;
    threads.release: threads::Release => model::Slot, Write at account
        [-       key log_in_as -      -     ] System;
    threads.renew: threads::Renew => model::Slot, Write at account
        [-       key log_in_as -      -     ] System;
    usage.get: usage::Get => usage::Usage, Read at account
        [-       key log_in_as -      -     ] account("limits.view", "clients.view_all");
    usage.history: usage::History => usage::UsageHistory, Read at account
        [-       key log_in_as -      -     ] account("limits.view", "clients.view_all");
    usage.invoice: usage::Invoice => usage::InvoiceLines, Read at account
        [-       key log_in_as -      -     ] account("accounts.price.view", "clients.view_all");
    usage.reconcile: usage::Reconcile => usage::UsageReconciled, Send at account
        [-       key log_in_as -      -     ] System;
    users.change_email: users::ChangeEmail => users::EmailChanged, Write at -
        [-       -   -         recent -     ]
        Rule("R-USR-3: those whom the policy `email_edited_by` names");
    users.confirm_email: users::ConfirmEmail => users::User, Write at -
        [-       key log_in_as -      -     ] System;
    users.create: users::Create => users::User, Write at -
        [-       key log_in_as -      -     ] System;
    users.delete: users::Delete => users::UserDeleted, Write at -
        [-       key -         -      -     ]
        Rule("R-USR-4: users with `users.delete` who manage the team from its top account; \
            operators with `clients.delete`");
    users.disable: users::Disable => users::User, Write at -
        [-       key log_in_as -      -     ] Operator("clients.status");
    users.edit: users::Edit => users::User, Write at -
        [-       key -         -      -     ]
        Rule("R-USR-3: those whom the policies `names_edited_by` and `profile_edited_by` name");
    users.enable: users::Enable => users::User, Write at -
        [-       key log_in_as -      -     ] Operator("clients.status");
    users.export_csv: user_csv::ExportCsv => user_csv::UserCsv, Read at account
        [-       key log_in_as -      -     ] account("users.export_csv", "clients.view_all");
    users.export_data: users::ExportData => users::UserData, Read at -
        [-       -   -         -      -     ]
        Rule("R-USR-4: users with `self.profile`, for themselves; operators with \
            `clients.view_all`");
    users.get: users::Get => users::User, Read at -
        [-       key log_in_as -      -     ]
        Rule("R-USR-2: users about themselves, and with `users.view` about those whom they see; \
            operators with `clients.view_all`");
    users.import_csv: user_csv::ImportCsv => user_csv::UserImport, Write at account
        [-       key log_in_as -      -     ] account("users.invite", "clients.edit");
    users.list: users::List => users::UserList, Read maybe account
        [-       key log_in_as -      -     ]
        Rule("R-TEA-3: users with `accounts.team` in the top account of a team; operators with \
            `clients.view_all`");
    users.logged_in: users::LoggedIn => users::User, Write at -
        [-       key log_in_as -      -     ] System;
    users.password_was_set: users::PasswordWasSet => users::User, Write at -
        [-       key log_in_as -      -     ] System;
    users.request_password_reset:
        users::RequestPasswordReset => users::PasswordResetRequested, Write at -
        [-       -   -         -      -     ]
        Rule("R-INV-10: users with `self.password` for themselves, and with \
            `users.reset_password` for those whom they see; operators with `clients.edit`");
}
