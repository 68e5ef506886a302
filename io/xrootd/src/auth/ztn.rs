//! A bearer token over TLS (`XrdSecProtocolztn.cc`).

use super::{Method, Refusal, Token, printable};

/// The only version there is.
const VERSION: u8 = 0;
/// "Here is the token", as against asking for the issuers that are trusted.
const TOKEN: u8 = b'T';

pub(super) struct Ztn {
    token: Token,
}

impl Ztn {
    /// `arguments` are those of the server: options and version, and the largest token with its end,
    /// `0:4096:`.
    pub(super) fn new(token: Token, arguments: &str) -> Result<Self, String> {
        let mut fields = arguments.split(':');
        let (Some(options), Some(largest), Some(_)) = (fields.next(), fields.next(), fields.next()) else {
            return Err("the server's settings for it make no sense".to_owned());
        };
        let (Ok(_), Ok(largest)) = (options.trim().parse::<i64>(), largest.trim().parse::<usize>()) else {
            return Err("the server's settings for it make no sense".to_owned());
        };
        let length = token.secret().len();
        // The length has two bytes in the packet, and counts the NUL.
        let largest = largest.min(usize::from(u16::MAX));
        if length >= largest {
            return Err(format!(
                "the token of {} has {length} bytes, and the server takes fewer than {largest}",
                token.source()
            ));
        }
        Ok(Self { token })
    }
}

impl Method for Ztn {
    fn name(&self) -> &'static str {
        "ztn"
    }

    fn start(&mut self) -> Result<Vec<u8>, Refusal> {
        let secret = self.token.secret().as_bytes();
        let length = u16::try_from(secret.len() + 1).map_err(|_| Refusal {
            method: "ztn".to_owned(),
            reason: format!("the token of {} is too long", self.token.source()),
        })?;
        let mut packet = Vec::with_capacity(secret.len() + 11);
        packet.extend(b"ztn\0");
        packet.extend([VERSION, TOKEN, 0, 0]);
        packet.extend(length.to_be_bytes());
        packet.extend(secret);
        packet.push(0);
        Ok(packet)
    }

    fn without_secret(&self, said: &str) -> String {
        let mut said = said.replace(self.token.secret(), "…");
        // The parts of a JWT are secrets too: the signature alone, with claims that can be guessed, is the token.
        for part in self.token.secret().split('.').filter(|part| part.len() >= 8) {
            said = said.replace(part, "…");
        }
        printable(&said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(length: usize) -> Token {
        Token::new(&"t".repeat(length), "BEARER_TOKEN").unwrap()
    }

    #[test]
    fn the_packet_is_that_of_the_official_client() {
        // By XrdSecProtocolztn.cc, `TokenHdr` and `TokenResp`; that client sends two bytes more behind,
        // which no server reads.
        let packet = Ztn::new(token(3), "0:4096:").unwrap().start().unwrap();
        assert_eq!(packet, b"ztn\0\0T\0\0\0\x04ttt\0");
    }

    #[test]
    fn a_token_that_the_server_will_not_take_is_not_sent() {
        assert!(Ztn::new(token(99), "0:100:").is_ok());
        let reason = Ztn::new(token(100), "0:100:").err().unwrap();
        assert_eq!(reason, "the token of BEARER_TOKEN has 100 bytes, and the server takes fewer than 100");
        assert!(Ztn::new(token(65_534), "0:524288:").is_ok());
        assert!(Ztn::new(token(65_535), "0:524288:").is_err());
    }

    #[test]
    fn a_server_that_repeats_the_token_is_not_quoted() {
        let token = Token::new("eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl", "BEARER_TOKEN").unwrap();
        let ztn = Ztn::new(token, "0:4096:").unwrap();
        let said = "invalid eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl\x1b[2J, signature c2lnbmF0dXJl";
        assert_eq!(ztn.without_secret(said), "invalid … [2J, signature …");
        assert_eq!(ztn.without_secret(&"x".repeat(10_000)).len(), 500);
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        for arguments in ["", "0", "0:", "0:4096", ":4096:", "x:4096:", "0:-1:", "0:99999999999999999999999:"]
        {
            assert!(Ztn::new(token(3), arguments).is_err(), "{arguments:?}");
        }
        assert!(Ztn::new(token(3), "0:0:").is_err());
    }
}
