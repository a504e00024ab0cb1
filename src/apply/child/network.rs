//! A network namespace that the launcher has made becomes init's.

use super::{Child, EPROTO};
use crate::apply::program::Place;
use crate::plan::Token;
use crate::sys::{Fault, Outcome, Sysno};

impl Child<'_> {
    /// Its descriptor comes with the word that it is there.
    pub(super) fn receive_network(self, place: Place) -> Outcome {
        let made = self.wait_for(Token::NetworkMade)?.ok_or(Fault::new(Sysno::recvmsg, EPROTO))?;
        self.keep(place, made);
        Ok(())
    }
}
