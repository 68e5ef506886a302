//! The packets of `gsi` (`XrdSutBuffer.cc`, `XrdSutAux.hh`): the name of the method, a step, and
//! pieces with a kind and a length each.

/// The steps (`XrdSecProtocolgsi.hh`).
pub(super) mod step {
    pub(in super::super) const ASK: u32 = 1000;
    pub(in super::super) const PROVE: u32 = 1001;
    pub(in super::super) const CERTIFICATE: u32 = 2001;
    pub(in super::super) const DELEGATE: u32 = 2002;
}

/// The kinds of pieces (`kXRS_…`).
pub(super) mod kind {
    pub(in super::super) const LIBRARY: u32 = 3000;
    pub(in super::super) const MAIN: u32 = 3001;
    pub(in super::super) const PUBLIC_KEY: u32 = 3004;
    pub(in super::super) const AGREEMENT: u32 = 3005;
    pub(in super::super) const TAG: u32 = 3006;
    pub(in super::super) const SIGNED_TAG: u32 = 3007;
    pub(in super::super) const VERSION: u32 = 3014;
    pub(in super::super) const OPTIONS: u32 = 3019;
    pub(in super::super) const CERTIFICATES: u32 = 3022;
    pub(in super::super) const ISSUER: u32 = 3023;
    pub(in super::super) const CIPHERS: u32 = 3025;
    pub(in super::super) const DIGESTS: u32 = 3026;
}

/// A packet that was received.
#[derive(Debug)]
pub(super) struct Packet<'a> {
    pub(super) step: u32,
    pieces: Vec<(u32, &'a [u8])>,
}

/// The official client keeps ten at most.
const MOST: usize = 64;

impl<'a> Packet<'a> {
    /// `None` if it is not one.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (step, mut rest) = bytes.strip_prefix(b"gsi\0")?.split_first_chunk::<4>()?;
        let mut pieces = Vec::new();
        loop {
            let (kind, behind) = rest.split_first_chunk::<4>()?;
            let kind = u32::from_be_bytes(*kind);
            if kind == 0 {
                return Some(Self { step: u32::from_be_bytes(*step), pieces });
            }
            let (length, behind) = behind.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let (content, behind) = behind.split_at_checked(length)?;
            if pieces.len() == MOST {
                return None;
            }
            pieces.push((kind, content));
            rest = behind;
        }
    }

    /// The first piece of that kind.
    pub(super) fn get(&self, kind: u32) -> Option<&'a [u8]> {
        self.pieces.iter().find(|(known, _)| *known == kind).map(|(_, content)| *content)
    }

    /// The same as text; empty if there is none.
    pub(super) fn text(&self, kind: u32) -> String {
        let text = String::from_utf8_lossy(self.get(kind).unwrap_or_default());
        text.trim_end_matches('\0').to_owned()
    }
}

/// A packet to be sent.
pub(super) fn write(step: u32, pieces: &[(u32, &[u8])]) -> Option<Vec<u8>> {
    let mut bytes = b"gsi\0".to_vec();
    bytes.extend(step.to_be_bytes());
    for (kind, content) in pieces {
        bytes.extend(kind.to_be_bytes());
        bytes.extend(u32::try_from(content.len()).ok()?.to_be_bytes());
        bytes.extend(*content);
    }
    bytes.extend([0; 4]);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_of_the_official_client_is_read_and_written_the_same() {
        // Recorded from xrdfs 5.5.3: its first kXR_auth.
        let hex = "67736900000003e800000bb80000000373736c00000bc6000000040000296800000bcf00000015626237346239\
                   62342e307c65393734343230632e3000000bcb000000040000008000000bb90000001c67736900000003e80000\
                   0bbe000000084b4271496b62462e0000000000000000";
        let bytes: Vec<u8> =
            (0..hex.len() / 2).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()).collect();
        let packet = Packet::read(&bytes).unwrap();
        assert_eq!(packet.step, step::ASK);
        assert_eq!(packet.text(kind::LIBRARY), "ssl");
        assert_eq!(packet.get(kind::VERSION), Some(&10600_u32.to_be_bytes()[..]));
        assert_eq!(packet.text(kind::ISSUER), "bb74b9b4.0|e974420c.0");
        assert_eq!(packet.get(kind::OPTIONS), Some(&128_u32.to_be_bytes()[..]));
        let main = Packet::read(packet.get(kind::MAIN).unwrap()).unwrap();
        assert_eq!((main.step, main.get(kind::TAG)), (step::ASK, Some(&b"KBqIkbF."[..])));
        let inner = write(step::ASK, &[(kind::TAG, b"KBqIkbF.")]).unwrap();
        let pieces = [
            (kind::LIBRARY, &b"ssl"[..]),
            (kind::VERSION, &10600_u32.to_be_bytes()),
            (kind::ISSUER, b"bb74b9b4.0|e974420c.0"),
            (kind::OPTIONS, &128_u32.to_be_bytes()),
            (kind::MAIN, &inner),
        ];
        assert_eq!(write(step::ASK, &pieces).unwrap(), bytes);
    }

    #[test]
    fn what_is_none_is_refused() {
        let whole = write(step::ASK, &[(kind::TAG, b"12345678"), (kind::DIGESTS, b"")]).unwrap();
        for length in 0..whole.len() {
            assert!(Packet::read(&whole[..length]).is_none(), "{length}");
        }
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = byte;
                let _ = Packet::read(&damaged);
            }
        }
        let many = write(1, &vec![(1, &b""[..]); 100_000]).unwrap();
        assert!(Packet::read(&many).is_none());
    }
}
