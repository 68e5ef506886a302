//! The two things that need large numbers: signatures of RSA without a digest, which no library of ours
//! makes, and the agreement of Diffie and Hellman on a key.
//!
//! What depends on secrets takes the same time whatever they are.

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, ConcatenatingMul, Odd};

use super::Random;
use crate::tls::der::{BITS, INTEGER, OBJECT_ID, OCTETS, SEQUENCE, Values};

/// Larger ones are nobody's, and take a stranger's time of ours.
const LARGEST_BITS: u32 = 8192;
/// Old proxies have as few; that of a host is verified by the same rules as for TLS.
const SMALLEST_KEY_BITS: u32 = 1024;
/// xrootd 5 agrees with so few. They hide nothing: what is encrypted with the key that is agreed on is
/// our certificate, which is public, and what both sides sign proves who they are.
const SMALLEST_AGREEMENT_BITS: u32 = 512;

const RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];

fn number(bytes: &[u8]) -> Option<BoxedUint> {
    let significant = bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len());
    let bytes = bytes.get(significant..)?;
    let bits = u32::try_from(bytes.len()).ok()?.checked_mul(8)?;
    if bits > LARGEST_BITS {
        return None;
    }
    BoxedUint::from_be_slice(bytes, bits.max(64)).ok()
}

fn odd(bytes: &[u8], smallest: u32) -> Option<Odd<BoxedUint>> {
    let number = number(bytes)?;
    if number.bits_vartime() < smallest {
        return None;
    }
    number.into_odd().into_option()
}

/// `base` to the power of `exponent`; `base` must be less than the modulus.
fn power(base: &BoxedUint, exponent: &BoxedUint, modulus: &BoxedMontyParams) -> BoxedUint {
    form(base, modulus).pow(exponent).retrieve()
}

fn form(number: &BoxedUint, modulus: &BoxedMontyParams) -> BoxedMontyForm {
    let reduced = number.rem(modulus.modulus().as_nz_ref());
    BoxedMontyForm::new(reduced, modulus)
}

/// To that many bytes, zeros in front.
fn bytes(number: &BoxedUint, length: usize) -> Option<Vec<u8>> {
    let all = number.to_be_bytes();
    let surplus = all.len().saturating_sub(length);
    let (front, rest) = all.split_at_checked(surplus)?;
    if front.iter().any(|&byte| byte != 0) {
        return None;
    }
    let mut padded = vec![0; length - rest.len()];
    padded.extend(rest);
    Some(padded)
}

/// A public key of RSA.
#[derive(Clone)]
pub(super) struct PublicKey {
    modulus: Odd<BoxedUint>,
    params: BoxedMontyParams,
    exponent: BoxedUint,
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.modulus.cmp_vartime(&*other.modulus).is_eq()
            && self.exponent.cmp_vartime(&other.exponent).is_eq()
    }
}

impl PublicKey {
    fn new(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let modulus = odd(modulus, SMALLEST_KEY_BITS)?;
        let exponent = number(exponent).filter(|exponent| (2..=64).contains(&exponent.bits_vartime()))?;
        let params = BoxedMontyParams::new(modulus.clone());
        Some(Self { modulus, params, exponent })
    }

    /// From a `SubjectPublicKeyInfo` (RFC 5280, section 4.1).
    pub(super) fn of(info: &[u8]) -> Option<Self> {
        let mut fields = Values(info).expect(SEQUENCE)?;
        if fields.expect(SEQUENCE)?.content(OBJECT_ID)? != RSA {
            return None;
        }
        let mut key = Values(fields.content(BITS)?.strip_prefix(&[0])?).expect(SEQUENCE)?;
        Self::new(key.content(INTEGER)?, key.content(INTEGER)?)
    }

    /// In bytes.
    pub(super) fn length(&self) -> usize {
        self.modulus.bits_vartime().div_ceil(8) as usize
    }

    fn apply(&self, signed: &[u8]) -> Option<Vec<u8>> {
        let signed = number(signed)?;
        if signed.cmp_vartime(&*self.modulus).is_ge() {
            return None;
        }
        bytes(&power(&signed, &self.exponent, &self.params), self.length())
    }

    /// What was signed (RFC 8017, sections 5.2.2 and 9.2, but for the digest), block by block.
    pub(super) fn recover(&self, signed: &[u8]) -> Option<Vec<u8>> {
        if signed.is_empty() || !signed.len().is_multiple_of(self.length()) {
            return None;
        }
        let mut text = Vec::new();
        for block in signed.chunks_exact(self.length()) {
            let padded = self.apply(block)?;
            let padding = padded.strip_prefix(&[0, 1])?;
            let end = padding.iter().position(|&byte| byte != 0xff).filter(|&end| end >= 8)?;
            text.extend(padding.get(end..)?.strip_prefix(&[0])?);
        }
        Some(text)
    }
}

/// A private key of RSA.
pub(super) struct PrivateKey {
    public: PublicKey,
    first: Prime,
    second: Prime,
    /// Of the second in the field of the first.
    inverse: BoxedUint,
}

struct Prime {
    value: Odd<BoxedUint>,
    params: BoxedMontyParams,
    exponent: BoxedUint,
}

impl Prime {
    fn new(value: &[u8], exponent: &[u8]) -> Option<Self> {
        let value = odd(value, SMALLEST_KEY_BITS / 2 - 64)?;
        let params = BoxedMontyParams::new(value.clone());
        Some(Self { value, params, exponent: number(exponent)? })
    }
}

impl PrivateKey {
    /// From PKCS #8 (RFC 5208).
    pub(super) fn of_pkcs8(der: &[u8]) -> Option<Self> {
        let mut fields = Values(der).expect(SEQUENCE)?;
        fields.content(INTEGER)?;
        if fields.expect(SEQUENCE)?.content(OBJECT_ID)? != RSA {
            return None;
        }
        Self::of_pkcs1(fields.content(OCTETS)?)
    }

    /// From PKCS #1 (RFC 8017, appendix A.1.2).
    pub(super) fn of_pkcs1(der: &[u8]) -> Option<Self> {
        let mut fields = Values(der).expect(SEQUENCE)?;
        let mut next = || fields.content(INTEGER);
        let (_version, modulus, exponent, _private) = (next()?, next()?, next()?, next()?);
        let (first, second) = (next()?, next()?);
        let (of_first, of_second, inverse) = (next()?, next()?, next()?);
        let key = Self {
            public: PublicKey::new(modulus, exponent)?,
            first: Prime::new(first, of_first)?,
            second: Prime::new(second, of_second)?,
            inverse: number(inverse)?,
        };
        let product = key.first.value.concatenating_mul(&*key.second.value);
        product.cmp_vartime(&*key.public.modulus).is_eq().then_some(key)
    }

    pub(super) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs without a digest, in blocks, as `XrdCryptosslRSA::EncryptPrivate`.
    pub(super) fn sign(&self, text: &[u8]) -> Option<Vec<u8>> {
        let length = self.public.length();
        let mut signed = Vec::new();
        for block in text.chunks(length.checked_sub(11)?) {
            let mut padded = vec![0, 1];
            padded.resize(length - block.len() - 1, 0xff);
            padded.push(0);
            padded.extend(block);
            let sealed = self.apply(&padded)?;
            // A fault while computing would give the key away to whoever gets the result.
            if self.public.apply(&sealed)? != padded {
                return None;
            }
            signed.extend(sealed);
        }
        Some(signed)
    }

    /// RFC 8017, section 5.1.2, by the primes.
    fn apply(&self, padded: &[u8]) -> Option<Vec<u8>> {
        let padded = number(padded)?;
        let in_first = form(&padded, &self.first.params).pow(&self.first.exponent);
        let in_second =
            power(&padded.rem(self.second.value.as_nz_ref()), &self.second.exponent, &self.second.params);
        let difference = in_first.sub(&form(&in_second, &self.first.params));
        let times = difference.mul(&form(&self.inverse, &self.first.params)).retrieve();
        let product = times.concatenating_mul(&*self.second.value);
        bytes(&product.concatenating_add(&in_second), self.public.length())
    }
}

/// What both sides have agreed on, and what we tell the other of it.
pub(super) struct Agreement {
    /// As long as the prime.
    pub(super) secret: Vec<u8>,
    /// In hexadecimal digits.
    pub(super) public: String,
}

/// Agrees on a secret in the group that the other proposes, in DER (PKCS #3), with its number in
/// hexadecimal digits.
pub(super) fn agree(group: &[u8], theirs: &str, random: &Random) -> Option<Agreement> {
    let mut fields = Values(group).expect(SEQUENCE)?;
    let prime = odd(fields.content(INTEGER)?, SMALLEST_AGREEMENT_BITS)?;
    let generator = within(number(fields.content(INTEGER)?)?, &prime)?;
    // `from_str_radix` would take a sign.
    if !theirs.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let digits = if theirs.len() % 2 == 1 { format!("0{theirs}") } else { theirs.to_owned() };
    let theirs: Option<Vec<u8>> = digits
        .as_bytes()
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    let theirs = within(number(&theirs?)?, &prime)?;
    // Twice what would resist for as long as the largest of these groups.
    let mut exponent = [0; 64];
    random(&mut exponent)?;
    let exponent = BoxedUint::from_be_slice(&exponent, 512).ok()?;
    let length = prime.bits_vartime().div_ceil(8) as usize;
    let params = BoxedMontyParams::new(prime);
    let secret = bytes(&power(&theirs, &exponent, &params), length)?;
    let ours = power(&generator, &exponent, &params).to_be_bytes_trimmed_vartime();
    let public = ours.iter().map(|byte| format!("{byte:02X}")).collect();
    Some(Agreement { secret, public })
}

/// A number from 2 to two less than the prime: the others lead to a secret that anybody can guess.
fn within(number: BoxedUint, prime: &Odd<BoxedUint>) -> Option<BoxedUint> {
    let two = BoxedUint::from(2_u64);
    let last = prime.wrapping_sub(&two);
    (number.cmp_vartime(&two).is_ge() && number.cmp_vartime(&last).is_le()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIME: &str = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404\
                         DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE\
                         386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F83655D\
                         23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3BE39E772C18\
                         0E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA051015728E5A8AACAA\
                         68FFFFFFFFFFFFFFFF";

    fn bytes_of(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()).collect()
    }

    /// Group 14 of RFC 3526, or with another prime of as many bytes.
    fn group(prime: &[u8]) -> Vec<u8> {
        let mut der = vec![0x30, 0x82, 1, 8, 2, 0x82, 1, 1, 0];
        der.extend(prime);
        der.extend([2, 1, 2]);
        der
    }

    fn counting(bytes: &mut [u8]) -> Option<()> {
        bytes.iter_mut().zip(0..).for_each(|(byte, n)| *byte = n);
        Some(())
    }

    #[test]
    fn both_sides_come_to_the_same_secret() {
        let prime = bytes_of(PRIME);
        // Python's pow, the other's exponent 0x123456789abcdef0123456789abcdef, ours 000102…3f.
        let theirs = "C91197D5551DCE50D5AE22F0746A457C5E5F22EF13BF94170CB13073A578B705D0D416E7BEE825BF68EAA13AE299269\
                      5BF62C7C09344A31114A785977F3CC78762FB13A3C92B2CC13E796EE235C4D2A35749129546444ABABF287A90F58572\
                      4D3038F7D7992AC70AA101841DA1CAFFE1465B6D1E698DBA537F367A74CEE926DB8C660AB4F592E00B5B4570A6EB03CF\
                      E9872D161BD86089CA097BA7173341754A6F9BEE3437AC89EE022871ED12A3C96EE72173108C0193AAF995EF94A81D2E\
                      97509A31BCA502D1FCA21D33C1B2FE95106AF8A207B0B71181F92050B36251D1E4A8949D54A72A757BD489F49C767BA3\
                      9D538A5EE2E0FAE855812969BEC4E2BABB";
        let agreed = agree(&group(&prime), theirs, &counting).unwrap();
        assert_eq!(agreed.secret.len(), 256);
        assert_eq!(
            agreed.secret[..32],
            bytes_of("1188667ed82906b377c27ad2e225341f19ee09145ea9cf446bb99b6b7fdc71c1")
        );
        assert_eq!(agreed.secret[240..], bytes_of("d9345004ee174eb5cb0c1419199e0966"));
        assert_eq!((agreed.public.len(), &agreed.public[..32]), (512, "2AD9B3CE4069125144F791AE6470B077"));
    }

    #[test]
    fn groups_and_numbers_that_give_the_secret_away_are_refused() {
        let prime = bytes_of(PRIME);
        let last = format!("{}E", &PRIME[..511]);
        for theirs in ["", "0", "00", "1", "zz", "-5", "+5", &last, PRIME, &format!("{PRIME}00")] {
            assert!(agree(&group(&prime), theirs, &counting).is_none(), "{theirs}");
        }
        let mut even = prime.clone();
        even[255] = 0xfe;
        assert!(agree(&group(&even), "5", &counting).is_none());
        assert!(
            agree(&[0x30, 6, 2, 1, 23, 2, 1, 5], "5", &counting).is_none(),
            "so small that anybody can guess"
        );
        let whole = group(&prime);
        for length in 0..whole.len() {
            assert!(agree(&whole[..length], "5", &counting).is_none());
        }
        let mut vast = vec![0x30, 0x82, 0x10, 9, 2, 0x82, 0x10, 2, 0];
        vast.extend(vec![0xff; 4097]);
        vast.extend([2, 1, 2]);
        assert!(agree(&vast, "5", &counting).is_none(), "so large that it takes all our time");
    }

    #[test]
    fn signatures_are_those_of_openssl() {
        use rustls_pki_types::PrivateKeyDer;
        use rustls_pki_types::pem::PemObject;
        let der = PrivateKeyDer::from_pem_slice(include_bytes!("testdata/host-key.pem")).unwrap();
        let key = PrivateKey::of_pkcs8(der.secret_der()).unwrap();
        // `printf abcdefgh | openssl pkeyutl -sign -inkey host-key.pem -pkeyopt rsa_padding_mode:pkcs1`
        let expected = bytes_of(
            "a01506ef92e58573dcabb4328717d5aae6106bb3aa6670ad4a0397573054e390c2f19206b8fafe3e20b31bceee1b0895d47145fd\
             640cbe7c483effa48c2eb90d296fc7ffd5ff2c741808d9947799e4e120176cf112b63a018c2dc5e86175301938edd6156b0777c2\
             8cd114e69859b1842ee8ef3698586bb728a5f8c3559693389b83a1477aa6025d96e69821fd4485c1842bdb175aeaf75c87f4d725\
             f8e7060f14627aa9d3d1d3e434562f65a361125f8b1dc8992c3c3be938fe28ac48e456ea982d61703ffb9b240fab11e79d66edcf\
             5e0881d1fa344519267cccd90fb00cbde7d4fdd663c2aba958fa0bcc2882cbf6a61179e53a791ea27ed3ae461a984c03",
        );
        assert_eq!(key.sign(b"abcdefgh").unwrap(), expected);
        assert_eq!(key.public().recover(&expected).unwrap(), b"abcdefgh");
        let long: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let signed = key.sign(&long).unwrap();
        assert_eq!(signed.len(), 5 * 256);
        assert_eq!(key.public().recover(&signed).unwrap(), long);
        // Not of this key, cut off, or none at all.
        for damaged in [&signed[1..], &signed[..255], &[], &[0xff; 256], &[0; 256], &[1; 256]] {
            assert!(key.public().recover(damaged).is_none());
        }
        let mut changed = expected;
        changed[100] ^= 1;
        assert!(key.public().recover(&changed).is_none());
    }

    #[test]
    fn damaged_keys_are_refused() {
        use rustls_pki_types::PrivateKeyDer;
        use rustls_pki_types::pem::PemObject;
        let der = PrivateKeyDer::from_pem_slice(include_bytes!("testdata/host-key.pem")).unwrap();
        let whole = der.secret_der();
        for length in 0..whole.len() {
            assert!(PrivateKey::of_pkcs8(&whole[..length]).is_none());
        }
        for at in (0..whole.len()).step_by(7) {
            let mut damaged = whole.to_vec();
            damaged[at] ^= 0x55;
            // Whatever is left of it either signs rightly or not at all.
            if let Some(key) = PrivateKey::of_pkcs8(&damaged)
                && let Some(signed) = key.sign(b"x")
            {
                assert_eq!(key.public().recover(&signed).unwrap(), b"x");
            }
        }
    }
}
