//! Patches applied.

mod failure;
mod plan;

use pyro_diff::Patch;
use pyro_proto::file::{Changes, Put};
use pyro_proto::message::Verb;

use self::failure::{Invalid, NotFit};
use self::plan::{Before, Plan};
use super::limit::TooLarge;
use crate::error::{ErrorCode, Result};
use crate::guest::files::{ChangesCall, PutCall};
use crate::object::PatchResult;
use crate::workspace::Workspace;
use crate::workspace::guest::Guest;

/// How often a patch is tried again on files that somebody else changed meanwhile.
const TRIES: usize = 3;

/// No path has this name, so that nothing is compared: only files are asked for.
const NOWHERE: &[u8] = b"\x01";

impl Workspace {
    /// Applies a unified or Git diff, all of it or nothing; it is durable when this returns. A dry run only checks.
    ///
    /// # Errors
    /// `patch-invalid`, `patch-failed` with every hunk that does not fit, `too-large`, `path-refused`,
    /// `insufficient-resources`, `invalid-state`, `guest-lost`.
    pub async fn apply_patch(&self, patch: &[u8], dry_run: bool) -> Result<PatchResult> {
        TooLarge::check("the patch", patch.len(), pyro_diff::MAX_PATCH_BYTES)?;
        let patch = pyro_diff::parse(patch).map_err(Invalid)?;
        let mut tries = 1;
        loop {
            match self.try_patch(&patch, dry_run).await {
                Err(error) if error.code() == ErrorCode::Busy && tries < TRIES => tries += 1,
                tried => return tried,
            }
        }
    }

    async fn try_patch(&self, patch: &Patch, dry_run: bool) -> Result<PatchResult> {
        let (guest, call) = self.call_guest(Verb::Changes).await?;
        let asked = Changes { path: NOWHERE.into() };
        let (mut call, _) = ChangesCall::start(call, asked).await?;
        let before = Before::fetch(&mut call, patch).await?;
        drop(call);
        let applied = pyro_diff::apply(patch, before.files()).map_err(NotFit)?;
        let plan = Plan::new(&before, &applied)?;
        self.put_patch(&guest, plan, dry_run).await?;
        let mut result = plan::result(self.id(), &applied, guest.used);
        result.dry_run = dry_run;
        Ok(result)
    }

    async fn put_patch(&self, guest: &Guest, plan: Plan, dry_run: bool) -> Result<()> {
        let call = guest.open(Verb::Put).await?;
        let mut call = PutCall::start(
            call,
            Put {
                dest: Vec::new().into(),
            },
        )
        .await?;
        for (entry, content) in plan.entries {
            match content {
                Some(content) => {
                    call.file(entry).await?;
                    call.data(content).await?;
                    call.end_data().await?;
                }
                None => call.entry(entry).await?,
            }
        }
        call.commit(dry_run).await?;
        Ok(())
    }
}
