//! XSalsa20-Poly1305 with a random nonce in front: upstream's `secretbox` (NaCl).
//!
//! The TLS library's AEADs are ChaCha20 and AES only, so Salsa20 and Poly1305 are written out here; both are
//! free of table lookups and secret branches, and the tag is compared in constant time.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::{Cipher, KeyedProvider, TransformError, random};

const NAME: &str = "secretbox";
const NONCE: usize = 24;
const TAG: usize = 16;

/// One secretbox key.
pub struct Secretbox {
    key: [u8; 32],
}

impl Secretbox {
    /// `key` has 32 bytes.
    pub fn new(name: &str, key: &[u8]) -> Result<Self, TransformError> {
        let key = key.try_into().map_err(|_| TransformError::KeyLength {
            provider: NAME,
            key: name.to_owned(),
            length: key.len(),
            expected: "32",
        })?;
        Ok(Secretbox { key })
    }

    /// The provider with these named keys.
    pub fn provider(keys: &[(String, Vec<u8>)]) -> Result<KeyedProvider, TransformError> {
        let keys = keys
            .iter()
            .map(|(name, key)| Ok((name.clone(), Box::new(Secretbox::new(name, key)?) as Box<dyn Cipher>)))
            .collect::<Result<_, _>>()?;
        Ok(KeyedProvider::new(NAME, "k8s:enc:secretbox:v1:", keys))
    }

    /// The one-time authenticator key and the text xored with the stream after it.
    fn apply(&self, nonce: &[u8; NONCE], text: &[u8]) -> ([u8; 32], Vec<u8>) {
        let (first, last) = nonce.split_at(16);
        let subkey = hsalsa20(&self.key, first);
        // The first 32 bytes of the stream are the authenticator's key, the text starts behind them.
        let mut buffer = vec![0; 32 + text.len()];
        buffer[32..].copy_from_slice(text);
        for (counter, block) in buffer.chunks_mut(64).enumerate() {
            let mut input = [0; 16];
            input[..8].copy_from_slice(last);
            input[8..].copy_from_slice(&(counter as u64).to_le_bytes());
            let words = setup(&subkey, &input);
            let mixed = twenty_rounds(words);
            for (index, byte) in block.iter_mut().enumerate() {
                *byte ^= mixed[index / 4].wrapping_add(words[index / 4]).to_le_bytes()[index % 4];
            }
        }
        let output = buffer.split_off(32);
        let mut authenticator = [0; 32];
        authenticator.copy_from_slice(&buffer);
        (authenticator, output)
    }
}

impl Cipher for Secretbox {
    fn seal(&self, value: &[u8], _context: &[u8]) -> Result<Vec<u8>, TransformError> {
        let mut nonce = [0; NONCE];
        random(&mut nonce, NAME)?;
        Ok(seal_with(self, &nonce, value))
    }

    fn open(&self, sealed: &[u8], _context: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE>()?;
        let (tag, text) = rest.split_first_chunk::<TAG>()?;
        let (authenticator, value) = self.apply(nonce, text);
        verify_slices_are_equal(&poly1305(&authenticator, text), tag).ok()?;
        Some(value)
    }
}

fn seal_with(secretbox: &Secretbox, nonce: &[u8; NONCE], value: &[u8]) -> Vec<u8> {
    let (authenticator, text) = secretbox.apply(nonce, value);
    [nonce.as_slice(), &poly1305(&authenticator, &text), &text].concat()
}

fn word(bytes: &[u8], index: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[4 * index..4 * index + 4]);
    u32::from_le_bytes(word)
}

/// Salsa20's initial state for a 32-byte key and 16 bytes of nonce and counter.
fn setup(key: &[u8; 32], input: &[u8]) -> [u32; 16] {
    let mut state = [0; 16];
    for (index, constant) in [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574].into_iter().enumerate() {
        state[5 * index] = constant;
    }
    for index in 0..4 {
        state[1 + index] = word(key, index);
        state[6 + index] = word(input, index);
        state[11 + index] = word(key, 4 + index);
    }
    state
}

fn twenty_rounds(mut x: [u32; 16]) -> [u32; 16] {
    let mut quarter = |a: usize, b: usize, c: usize, d: usize| {
        x[b] ^= x[a].wrapping_add(x[d]).rotate_left(7);
        x[c] ^= x[b].wrapping_add(x[a]).rotate_left(9);
        x[d] ^= x[c].wrapping_add(x[b]).rotate_left(13);
        x[a] ^= x[d].wrapping_add(x[c]).rotate_left(18);
    };
    for _ in 0..10 {
        quarter(0, 4, 8, 12);
        quarter(5, 9, 13, 1);
        quarter(10, 14, 2, 6);
        quarter(15, 3, 7, 11);
        quarter(0, 1, 2, 3);
        quarter(5, 6, 7, 4);
        quarter(10, 11, 8, 9);
        quarter(15, 12, 13, 14);
    }
    x
}

fn hsalsa20(key: &[u8; 32], input: &[u8]) -> [u8; 32] {
    let mixed = twenty_rounds(setup(key, input));
    let mut subkey = [0; 32];
    for (index, from) in [0, 5, 10, 15, 6, 7, 8, 9].into_iter().enumerate() {
        subkey[4 * index..4 * index + 4].copy_from_slice(&mixed[from].to_le_bytes());
    }
    subkey
}

/// Poly1305 over 26-bit limbs.
fn poly1305(key: &[u8; 32], text: &[u8]) -> [u8; TAG] {
    const MASK: u64 = (1 << 26) - 1;
    let limbs = |low: u128, high: u64| -> [u64; 5] {
        [
            low as u64 & MASK,
            (low >> 26) as u64 & MASK,
            (low >> 52) as u64 & MASK,
            (low >> 78) as u64 & MASK,
            ((low >> 104) as u64 & MASK) | high << 24,
        ]
    };
    let number = |bytes: &[u8]| {
        let mut padded = [0; 16];
        padded[..bytes.len()].copy_from_slice(bytes);
        u128::from_le_bytes(padded)
    };
    let r = limbs(number(&key[..16]) & 0x0fff_fffc_0fff_fffc_0fff_fffc_0fff_ffff, 0);
    let mut h = [0u64; 5];
    for block in text.chunks(16) {
        let block_limbs = match block.len() {
            16 => limbs(number(block), 1),
            length => limbs(number(block) | 1 << (8 * length), 0),
        };
        for (limb, add) in h.iter_mut().zip(block_limbs) {
            *limb += add;
        }
        let mut product = [0u64; 5];
        for (i, left) in h.iter().enumerate() {
            for (j, right) in r.iter().enumerate() {
                // 2^130 is 5 modulo the prime.
                let wrapped = if i + j >= 5 { 5 } else { 1 };
                product[(i + j) % 5] += left * right * wrapped;
            }
        }
        let mut carry = 0;
        for (limb, value) in h.iter_mut().zip(product) {
            let value = value + carry;
            *limb = value & MASK;
            carry = value >> 26;
        }
        h[0] += carry * 5;
        h[1] += h[0] >> 26;
        h[0] &= MASK;
    }
    let mut carry = 0;
    for _ in 0..2 {
        for limb in &mut h {
            let value = *limb + carry;
            *limb = value & MASK;
            carry = value >> 26;
        }
        h[0] += carry * 5;
        carry = 0;
    }
    // h - p, kept when it is not negative.
    let mut reduced = [0u64; 5];
    let mut carry = 5;
    for (out, limb) in reduced.iter_mut().zip(h) {
        let value = limb + carry;
        *out = value & MASK;
        carry = value >> 26;
    }
    let keep = 0u64.wrapping_sub(carry);
    let mut total = 0u128;
    for (index, (limb, smaller)) in h.into_iter().zip(reduced).enumerate() {
        let limb = (limb & !keep) | (smaller & keep);
        // The top limb's bits beyond 128 fall off, as they must.
        total = total.wrapping_add(u128::from(limb) << (26 * index as u32));
    }
    total.wrapping_add(number(&key[16..])).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2)
            .map(|index| u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn poly1305_of_rfc_8439() {
        let key = bytes("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b");
        let tag = poly1305(&key.try_into().unwrap(), b"Cryptographic Forum Research Group");
        assert_eq!(tag.to_vec(), bytes("a8061dc1305136c6c22b8baf0c0127a9"));
    }

    #[test]
    fn secretbox_of_nacl() {
        let key = bytes("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389");
        let nonce = bytes("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37");
        let message = bytes(concat!(
            "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01",
            "233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd",
            "4924ca1c60902e52f0a089bc76897040e082f937763848645e0705"
        ));
        let expected = bytes(concat!(
            "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c",
            "98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfea",
            "bd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5"
        ));
        let secretbox = Secretbox::new("k", &key).unwrap();
        let sealed = seal_with(&secretbox, &nonce.clone().try_into().unwrap(), &message);
        assert_eq!(sealed, [nonce, expected].concat());
        assert_eq!(secretbox.open(&sealed, b""), Some(message));
    }
}
