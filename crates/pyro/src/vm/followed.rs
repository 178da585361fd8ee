//! A VM as whoever follows a command needs it: for itself alone, or shared with others.

use super::{LiveVm, VmError};
use crate::guest::Caller;

/// A VM in which a command is followed.
pub(crate) trait FollowedVm: Send {
    /// What calls the agent; opens a connection if there is none, in place of whatever else the byte stream carries.
    ///
    /// # Errors
    /// [`VmError::Lost`] if the VM is gone or does not answer.
    fn caller(&mut self) -> impl Future<Output = Result<Caller, VmError>> + Send;

    /// What calls the agent by another connection than `broken`, or than the byte stream of a command alone.
    ///
    /// # Errors
    /// [`VmError::Lost`] if the VM is gone or does not answer.
    fn caller_after(
        &mut self,
        broken: Option<&Caller>,
    ) -> impl Future<Output = Result<Caller, VmError>> + Send;

    /// Waits until its VMM has ended, and says how.
    fn ended(&mut self) -> impl Future<Output = String> + Send;

    /// Explains why the VM is of no more use.
    fn lost(&mut self, problem: &str) -> impl Future<Output = VmError> + Send;
}

impl FollowedVm for LiveVm {
    async fn caller(&mut self) -> Result<Caller, VmError> {
        match self.connect().await {
            Ok(caller) => Ok(caller),
            Err(_) => self.reconnect().await,
        }
    }

    async fn caller_after(&mut self, _broken: Option<&Caller>) -> Result<Caller, VmError> {
        self.reconnect().await
    }

    async fn ended(&mut self) -> String {
        Self::ended(self).await
    }

    async fn lost(&mut self, problem: &str) -> VmError {
        Self::lost(self, problem).await
    }
}
