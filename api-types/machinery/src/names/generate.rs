//! Names from `metadata.generateName` (`apiserver/pkg/storage/names`).

/// Characters of a generated suffix: no vowels and no look-alikes, so that no words appear.
pub const SUFFIX_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// Length of a generated suffix.
pub const SUFFIX_LENGTH: usize = 5;
/// Greatest length of a generated name.
pub const MAX_NAME_LENGTH: usize = 63;
/// Greatest length of the base of a generated name; what is longer is cut.
pub const MAX_GENERATED_NAME_LENGTH: usize = MAX_NAME_LENGTH - SUFFIX_LENGTH;

/// Appends five random characters to `base`, which is cut to leave room for them. `random` is the source of
/// randomness: each number is reduced to one character of [`SUFFIX_ALPHABET`].
pub fn generate_name(base: &str, mut random: impl FnMut() -> u32) -> String {
    let mut end = base.len().min(MAX_GENERATED_NAME_LENGTH);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    let mut name = base[..end].to_owned();
    for _ in 0..SUFFIX_LENGTH {
        let choice = random() as usize % SUFFIX_ALPHABET.len();
        name.push(char::from(SUFFIX_ALPHABET[choice]));
    }
    name
}
