//! Assets: the sending domains, nodes and bounce addresses that an account may use (R-PKG-5).

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::assets::{Asset, AssetList, AssetSource, Assign, Check, Get, Unassign};
use crate::error::{Code, Error};
use crate::kernel::revision::check_rev;
use crate::model::{Actor, AssetKind, Assets, Count, Id, Name};
use crate::tables::accounts::{self, account_line};
use crate::tables::packages;

const KINDS: [AssetKind; 3] = [AssetKind::Domain, AssetKind::Node, AssetKind::BounceAddress];

/// What a user needs to see the assets of a kind.
const fn view_permission(kind: AssetKind) -> &'static str {
    match kind {
        AssetKind::Domain => "sending.domains.view",
        AssetKind::Node => "sending.nodes.view",
        AssetKind::BounceAddress => "sending.bounce_addresses.view",
    }
}

fn require_view(ctx: &mut Ctx<'_>, account: &Id, kind: AssetKind) -> Result<(), Error> {
    match ctx.actor {
        Actor::System => Ok(()),
        _ => ctx.require(account, view_permission(kind), "clients.view_all"),
    }
}

/// Refuses what could not be meant: too many of a kind, one of them twice.
pub(crate) fn check(assets: &Assets) -> Result<(), Error> {
    for (field, of_kind) in [
        ("domains", &assets.domains),
        ("nodes", &assets.nodes),
        ("bounce_addresses", &assets.bounce_addresses),
    ] {
        if of_kind.len() > Assets::MOST {
            return Err(Error::invalid(
                format!("/assets/{field}"),
                format!(
                    "There are at most {} assets of a kind, and the list has {}; leave some out.",
                    Assets::MOST,
                    of_kind.len()
                ),
            ));
        }
        if let Some((at, twice)) = of_kind
            .iter()
            .enumerate()
            .find(|(at, asset)| of_kind.iter().take(*at).any(|before| before == *asset))
        {
            return Err(Error::invalid(
                format!("/assets/{field}/{at}"),
                format!("`{twice}` is named twice; name each asset once."),
            ));
        }
    }
    Ok(())
}

/// The assets of one kind that an account may use (R-PKG-5).
pub(crate) fn effective(
    ctx: &mut Ctx<'_>,
    account: &Id,
    kind: AssetKind,
) -> Result<Vec<Asset>, Error> {
    let mut found: Vec<Asset> = Vec::new();
    for (level, ancestor) in account_line(&mut ctx.tx, account)?.into_iter().enumerate() {
        let mut add = |assets: &Assets, source, assigned_to: &Id| {
            for asset in assets.of(kind) {
                if !found.iter().any(|known| known.asset == *asset) {
                    let source = if level == 0 {
                        source
                    } else {
                        AssetSource::Inherited
                    };
                    found.push(Asset {
                        kind,
                        asset: asset.clone(),
                        source,
                        assigned_to: assigned_to.clone(),
                    });
                }
            }
        };
        add(&ancestor.assets, AssetSource::Own, &ancestor.id);
        if let Some(id) = &ancestor.package {
            let package = packages::load(&mut ctx.tx, id, "/account")?;
            add(&package.assets, AssetSource::Package, &package.id);
            break;
        }
    }
    Ok(found)
}

/// Changes the account's own assets of a kind.
fn change(
    ctx: &mut Ctx<'_>,
    account: Id,
    expected_rev: Option<Count>,
    kind: AssetKind,
    how: impl FnOnce(&mut Vec<Name>) -> Result<(), Error>,
) -> Result<AssetList, Error> {
    let mut record = accounts::load(&mut ctx.tx, &account, "/account")?;
    check_rev(expected_rev, record.rev)?;
    how(record.assets.of_mut(kind))?;
    accounts::save(&mut ctx.tx, record)?;
    Ok(AssetList {
        assets: effective(ctx, &account, kind)?,
        account,
    })
}

impl Operation for Get {
    type Answer = AssetList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AssetList, Error> {
        let mut assets = Vec::new();
        let mut refused = None;
        let mut seen = false;
        for kind in KINDS
            .into_iter()
            .filter(|kind| self.kind.is_none_or(|wanted| wanted == *kind))
        {
            match require_view(ctx, &self.account, kind) {
                Ok(()) => {
                    seen = true;
                    assets.extend(
                        effective(ctx, &self.account, kind)
                            .map_err(|error| error.at("/account"))?,
                    );
                }
                Err(error) if error.code() == Code::PermissionDenied => {
                    refused = refused.or(Some(error))
                }
                Err(error) => return Err(error),
            }
        }
        match refused {
            Some(refusal) if !seen => Err(refusal),
            _ => Ok(AssetList {
                account: self.account,
                assets,
            }),
        }
    }
}

impl Operation for Assign {
    type Answer = AssetList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AssetList, Error> {
        change(ctx, self.account, self.expected_rev, self.kind, |own| {
            if own.contains(&self.asset) {
                return Ok(());
            }
            if own.len() >= Assets::MOST {
                return Err(Error::invalid(
                    "/asset",
                    format!(
                        "An account has at most {} assets of its own of each kind; remove one \
                         first.",
                        Assets::MOST
                    ),
                ));
            }
            own.push(self.asset);
            Ok(())
        })
    }
}

impl Operation for Unassign {
    type Answer = AssetList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AssetList, Error> {
        change(ctx, self.account, self.expected_rev, self.kind, |own| {
            let Some(at) = own.iter().position(|asset| *asset == self.asset) else {
                return Err(Error::not_found("asset", self.asset.as_str()).at("/asset"));
            };
            own.remove(at);
            Ok(())
        })
    }
}

impl Operation for Check {
    type Answer = Asset;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Asset, Error> {
        require_view(ctx, &self.account, self.kind)?;
        let found =
            effective(ctx, &self.account, self.kind).map_err(|error| error.at("/account"))?;
        found
            .into_iter()
            .find(|one| one.asset == self.asset)
            .ok_or_else(|| {
                Error::new(
                    Code::AssetNotAssigned,
                    format!(
                        "The asset `{}` is not assigned to `{}`; assign it first.",
                        self.asset, self.account
                    ),
                )
                .at("/asset")
            })
    }
}
