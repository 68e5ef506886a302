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
