//! The last step before `execve`: a filter for the system calls of this process, whose listener is handed to the launcher.

use super::Child;
use crate::apply::message::Message;
use crate::plan::Token;
use crate::sys::seccomp::{SockFilter, set_filter};
use crate::sys::{Outcome, channel};
use crate::types::FilterFlags;

impl Child<'_> {
    /// The listener goes over the channel; this process's own copy is closed by `execve`.
    pub(super) fn filter(self, flags: FilterFlags, program: &[SockFilter]) -> Outcome {
        match set_filter(flags, program)? {
            None => Ok(()),
            Some(listener) => {
                let message = Message::Token(Token::Listener).encode();
                channel::send(self.channel, &message, Some(listener.keep()))
            }
        }
    }
}
