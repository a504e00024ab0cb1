//! Eight bytes become what one process tells another: a token, or which step failed and how.
//!
//! What is longer comes in a file in memory, whose descriptor the message carries.

use crate::plan::Token;
use crate::sys::channel::MESSAGE;
use crate::sys::{Fault, Sysno};
use crate::types::Errno;

/// One message. In memory: kind (2 bytes), then step, call and errno (2 each).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Token(Token),
    Failed {
        step: u16,
        fault: Fault,
    },
    /// The program that init was to become first could not be executed.
    NotBegun(Fault),
    /// To init's own program: the plan comes along.
    Letter,
    /// To init's own program: where its last words go comes along, in a plan with a filter.
    Words,
    /// To an init that waits for its program: this standard descriptor comes along.
    Standard(u16),
    /// From init's own program: it gives up, in its own words, which come along.
    GivenUp,
}

const TOKENS: [Token; 15] = [
    Token::MapsWritten,
    Token::Placed,
    Token::Terminal,
    Token::Ready,
    Token::InitPid,
    Token::NetworkReady,
    Token::Recorded,
    Token::Listener,
    Token::Mounted,
    Token::HooksRun,
    Token::Created,
    Token::Start,
    Token::Prepared,
    Token::Payload,
    Token::NetworkMade,
];
const FAILED: u16 = 0x100;
const NOT_BEGUN: u16 = 0x101;
const LETTER: u16 = 0x102;
const GIVEN_UP: u16 = 0x103;
const WORDS: u16 = 0x104;
const STANDARD: u16 = 0x105;

impl Message {
    pub(crate) fn encode(self) -> [u8; MESSAGE] {
        let (kind, [a, b, c]) = match self {
            Self::Token(token) => (position(token), [0; 3]),
            Self::Failed { step, fault } => {
                (FAILED, [step, number(fault.call), errno(fault.errno)])
            }
            Self::NotBegun(fault) => (NOT_BEGUN, [0, number(fault.call), errno(fault.errno)]),
            Self::Letter => (LETTER, [0; 3]),
            Self::Words => (WORDS, [0; 3]),
            Self::GivenUp => (GIVEN_UP, [0; 3]),
            Self::Standard(number) => (STANDARD, [number, 0, 0]),
        };
        let [k, a, b, c] = [kind, a, b, c].map(u16::to_le_bytes);
        [k[0], k[1], a[0], a[1], b[0], b[1], c[0], c[1]]
    }

    pub(crate) fn decode(bytes: [u8; MESSAGE]) -> Option<Self> {
        let [k0, k1, a0, a1, b0, b1, c0, c1] = bytes;
        let kind = u16::from_le_bytes([k0, k1]);
        if matches!(kind, FAILED | NOT_BEGUN) {
            let call = Sysno::new(usize::from(u16::from_le_bytes([b0, b1])))?;
            let errno = Errno(i32::from(u16::from_le_bytes([c0, c1])));
            let step = u16::from_le_bytes([a0, a1]);
            let fault = Fault::new(call, errno);
            let begun = Self::Failed { step, fault };
            return Some(if kind == FAILED { begun } else { Self::NotBegun(fault) });
        }
        match kind {
            LETTER => return Some(Self::Letter),
            WORDS => return Some(Self::Words),
            GIVEN_UP => return Some(Self::GivenUp),
            STANDARD => return Some(Self::Standard(u16::from_le_bytes([a0, a1]))),
            _ => {}
        }
        TOKENS.get(usize::from(kind).checked_sub(1)?).copied().map(Self::Token)
    }
}

/// From 1: a message of zeros means nothing.
fn position(token: Token) -> u16 {
    match token {
        Token::MapsWritten => 1,
        Token::Placed => 2,
        Token::Terminal => 3,
        Token::Ready => 4,
        Token::InitPid => 5,
        Token::NetworkReady => 6,
        Token::Recorded => 7,
        Token::Listener => 8,
        Token::Mounted => 9,
        Token::HooksRun => 10,
        Token::Created => 11,
        Token::Start => 12,
        Token::Prepared => 13,
        Token::Payload => 14,
        Token::NetworkMade => 15,
    }
}

fn number(call: Sysno) -> u16 {
    u16::try_from(call.id()).unwrap_or(u16::MAX)
}

fn errno(errno: Errno) -> u16 {
    u16::try_from(errno.0).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_survives_the_channel() {
        let fault = Fault::new(Sysno::move_mount, Errno::EPERM);
        let failed = Message::Failed { step: 517, fault };
        let others = [
            failed,
            Message::NotBegun(fault),
            Message::Letter,
            Message::Words,
            Message::Standard(2),
            Message::GivenUp,
        ];
        let all = TOKENS.into_iter().map(Message::Token).chain(others);
        for message in all {
            assert_eq!(Message::decode(message.encode()), Some(message));
        }
        assert_eq!(Message::decode([0; 8]), None);
        assert_eq!(Message::decode([16, 0, 0, 0, 0, 0, 0, 0]), None);
    }
}
