//! The list of methods that a server sends at login.

/// The list is of a stranger, and this many methods do not exist.
const MOST: usize = 16;
/// A method's name fits into `kXR_auth`, which has four bytes for it.
const LONGEST_NAME: usize = 4;

/// One method of the list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Offer<'a> {
    pub(super) name: &'a str,
    /// What the server tells the method: `0:4096:`.
    pub(super) arguments: &'a str,
    /// The server marks it with `TLS:`.
    pub(super) needs_tls: bool,
}

impl Offer<'_> {
    /// The name as errors show it.
    pub(super) fn shown(&self) -> String {
        let shown = self.name.chars().take(16).map(|c| if c.is_ascii_graphic() { c } else { '?' });
        shown.collect()
    }
}

/// The methods in `&P=ztn,0:4096:&P=unix`, each the first time that it is named. Anything between them
/// that is none is passed over, as by the official client.
pub(super) fn offers(list: &str) -> Vec<Offer<'_>> {
    // Servers differ in whether they end it with a NUL.
    let list = list.split('\0').next().unwrap_or_default();
    let mut offers: Vec<Offer<'_>> = Vec::new();
    for part in list.split('&').filter_map(|part| part.strip_prefix("P=")) {
        let (name, arguments) = part.split_once(',').unwrap_or((part, ""));
        let (needs_tls, arguments) =
            arguments.strip_prefix("TLS:").map_or((false, arguments), |arguments| (true, arguments));
        let name = name.trim();
        let known = offers.iter().any(|offer| offer.name == name);
        if !name.is_empty() && name.len() <= LONGEST_NAME && !known && offers.len() < MOST {
            offers.push(Offer { name, arguments, needs_tls });
        }
    }
    offers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<&str> {
        offers(list).iter().map(|offer| offer.name).collect()
    }

    #[test]
    fn lists_of_real_servers_are_read() {
        // Recorded from xrootd 5.5.3.
        assert_eq!(
            offers("&P=unix"),
            [Offer { name: "unix", arguments: "", needs_tls: false }],
            "sec.protocol unix"
        );
        let sss = "&P=sss,0.+13:/etc/xrootd/sss.keytab";
        let arguments = "0.+13:/etc/xrootd/sss.keytab";
        assert_eq!(offers(sss), [Offer { name: "sss", arguments, needs_tls: false }]);
        let gsi = "&P=gsi,v:10400,c:ssl,ca:bb74b9b4.0|bb74b9b4.0";
        assert_eq!(offers(gsi)[0].arguments, "v:10400,c:ssl,ca:bb74b9b4.0|bb74b9b4.0");
        assert_eq!(
            offers("&P=ztn,0:4096:&P=unix\0"),
            [
                Offer { name: "ztn", arguments: "0:4096:", needs_tls: false },
                Offer { name: "unix", arguments: "", needs_tls: false }
            ]
        );
        assert_eq!(
            offers("&P=ztn,TLS:0:4096:"),
            [Offer { name: "ztn", arguments: "0:4096:", needs_tls: true }]
        );
    }

    #[test]
    fn lists_that_make_no_sense_do_no_harm() {
        for list in
            ["", "&", "&P", "&P=", "&P=,", "P=unix,", "unix", "&Q=unix", "&&&", "\0&P=unix", "&P=ünïx"]
        {
            let names = names(list);
            assert!(names.is_empty() || names == ["unix"], "{list:?} {names:?}");
        }
        assert_eq!(names("&P=unix&P=unix,again&P=toolong&P=sss"), ["unix", "sss"]);
        assert_eq!(names("garbage&P=unix&v=1&P=host"), ["unix", "host"]);
        let many: String = (0..10_000).map(|n| format!("&P={n:04}")).collect();
        assert_eq!(offers(&many).len(), MOST);
        assert_eq!(offers("&P=\x1b[2J").first().map(Offer::shown).as_deref(), Some("?[2J"));
    }
}
