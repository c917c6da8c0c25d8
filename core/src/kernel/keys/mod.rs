//! Where each record lies. A key is two letters, which say of what kind the record is, and ids with
//! a zero byte before each: no id holds one.

mod accounts;
mod audit;
mod codec;
mod credits;
pub(crate) mod due;
mod invitations;
mod members;
pub(crate) mod meters;
mod outbox;
mod prefixes;
mod resources;
mod sending;
mod users;

pub(crate) use accounts::{
    account, account_order, child, defaults, gauge, gauge_total, operator, package,
    package_account, package_next, policy, tally, team_account, tombstone,
};
pub(crate) use audit::{
    ACTOR, attempts, audit, audit_actor, audit_head, audit_of_actor, audit_of_person, audit_person,
    audit_person_at, audits, clock, copying, record_of_person, token_key,
};
pub(crate) use codec::{
    hex, key, last_id, last_number, last_pair, orderable, part, range, sortable, split,
};
pub(crate) use credits::{
    all_credit_parts, credit_bucket, credit_entry, credit_expiry, credit_expiry_at, credit_head,
    credit_lifted, credit_paid, credit_part, credit_part_at, credit_parts, credit_refunded,
    credit_reserves, credits_expired,
};
pub(crate) use invitations::{
    account_invitation, address_invitation, invitation, invited, open_invitation,
    open_invitations_after, user_invitation, user_invitations,
};
pub(crate) use members::{
    account_role, avatar, group, group_member, group_tally, group_tombstone, group_tombstones,
    idle_tally, member, membership, platform_role, role, role_use, seat, tree_node,
};
pub(crate) use meters::{account_or_platform, cap, meter, meter_history, of_cap};
pub(crate) use outbox::{
    consumer, dead_message, dead_messages, open_message, open_messages, outbox, outbox_next,
    outbox_of_person, outbox_person,
};
pub(crate) use prefixes::*;
pub(crate) use resources::{
    lease, owner_tallies, owner_tally, resource, resource_of_group, resource_of_owner, share,
    shared_tallies, shared_tally, shared_with, slot, slot_end, slot_end_at, slot_ends_after,
};
pub(crate) use sending::{
    answered, campaign, open_reservation, reservation, stopped_campaign, suppression,
    team_suppression,
};
pub(crate) use users::{
    account_allow_list, account_api_key, api_key, banned_password, email, last_seen, link,
    member_allow_list, password, person, second_factor, session, user, user_allow_list, user_link,
    user_session,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Id;

    #[test]
    fn a_range_holds_its_own_and_no_neighbour() {
        let id = |text: &str| Id::new(text).unwrap();
        let (from, until) = range(MEMBER, &["acme"]);
        let within = |key: &[u8]| from.as_slice() <= key && key < until.as_slice();
        assert!(within(&member(&id("acme"), &id("ann"))));
        assert!(within(&member(&id("acme"), &id("\u{10ffff}"))));
        assert!(!within(&member(&id("acme2"), &id("ann"))));
        assert!(!within(&member(&id("acm"), &id("ann"))));
        assert_eq!(last_id(&member(&id("acme"), &id("ann"))), Some(id("ann")));
    }
}
