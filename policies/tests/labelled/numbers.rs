//! Numbers drawn by a fixed generator, and identifiers with the checksums that their issuers publish. Nothing here is the
//! detectors' own code: a mistake in one would not hide in the other.

/// A deterministic generator (splitmix64).
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn from(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    pub(crate) fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.from(0, of.len() as u64 - 1)).unwrap_or(0)]
    }

    pub(crate) fn letter(&mut self, of: &str) -> char {
        let letters: Vec<char> = of.chars().collect();
        letters[usize::try_from(self.from(0, letters.len() as u64 - 1)).unwrap_or(0)]
    }

    pub(crate) fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| self.letter("0123456789")).collect()
    }
}

fn luhn_check(digits: &str) -> u32 {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte - b'0');
            if place % 2 == 1 { digit } else { digit * 2 / 10 + digit * 2 % 10 }
        })
        .sum();
    (10 - sum % 10) % 10
}

/// 45 CFR 162.406: Luhn over 80840 and nine digits.
pub(crate) fn npi(draw: &mut Draw) -> String {
    let body = format!("{}{}", draw.from(1, 2), draw.digits(8));
    format!("{body}{}", luhn_check(&format!("80840{body}")))
}

/// A payment card of sixteen digits.
pub(crate) fn card(draw: &mut Draw, separator: &str) -> String {
    let body = format!("{}{}", draw.from(40, 49), draw.digits(13));
    let all = format!("{body}{}", luhn_check(&body));
    [&all[..4], &all[4..8], &all[8..12], &all[12..]].join(separator)
}

/// DEA: two letters, seven digits, the last of which sums the others.
pub(crate) fn dea(draw: &mut Draw) -> String {
    let digits = draw.digits(6);
    let at = |place: usize| u32::from(digits.as_bytes()[place] - b'0');
    let check = (at(0) + at(2) + at(4) + 2 * (at(1) + at(3) + at(5))) % 10;
    format!("{}{}{digits}{check}", draw.letter("ABFGMPR"), draw.letter("ABCDEFGHIJKLMNOPRSTW"))
}

/// 49 CFR 565.15(c): the ninth character checks the others.
pub(crate) fn vin(draw: &mut Draw) -> String {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let letters = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789";
    let mut characters: Vec<char> = (0..17).map(|_| draw.letter(letters)).collect();
    characters[0] = draw.letter("1245");
    characters[4] = 'K';
    let value = |character: char| match character {
        '0'..='9' => character as u32 - '0' as u32,
        'A'..='H' => character as u32 - 'A' as u32 + 1,
        'J'..='N' => character as u32 - 'J' as u32 + 1,
        'P' => 7,
        'R' => 9,
        other => other as u32 - 'S' as u32 + 2,
    };
    let sum: u32 = characters.iter().zip(WEIGHTS).map(|(character, weight)| value(*character) * weight).sum();
    characters[8] = char::from_digit(sum % 11, 10).unwrap_or('X');
    characters.into_iter().collect()
}

/// CMS, "Understanding the MBI format".
pub(crate) fn mbi(draw: &mut Draw) -> String {
    let (letters, either) = ("ACDEFGHJKMNPQRTUVWXY", "0123456789ACDEFGHJKMNPQRTUVWXY");
    format!(
        "{}{}{}{}{}{}{}{}{}",
        draw.letter("123456789"),
        draw.letter(letters),
        draw.letter(either),
        draw.digits(1),
        draw.letter(letters),
        draw.letter(either),
        draw.digits(1),
        (0..2).map(|_| draw.letter(letters)).collect::<String>(),
        draw.digits(2)
    )
}

/// A number that may be issued: no area 000, 666 or 900 up, no group 00, no serial 0000.
pub(crate) fn ssn(draw: &mut Draw, separator: &str) -> String {
    let area = match draw.from(1, 898) {
        area if area >= 666 => area + 1,
        area => area,
    };
    format!("{area:03}{separator}{:02}{separator}{:04}", draw.from(1, 99), draw.from(1, 9_999))
}

/// A number of the North American plan, in one of the usual forms.
pub(crate) fn phone(draw: &mut Draw) -> String {
    let (area, exchange, line) = (draw.from(201, 989), draw.from(201, 998), draw.from(0, 9_999));
    match draw.from(0, 4) {
        0 => format!("({area}) {exchange}-{line:04}"),
        1 => format!("{area}-{exchange}-{line:04}"),
        2 => format!("{area}.{exchange}.{line:04}"),
        3 => format!("+1 {area} {exchange} {line:04}"),
        _ => format!("1-{area}-{exchange}-{line:04}"),
    }
}

/// A day between 1925 and 2026, in one of the usual forms.
pub(crate) fn date(draw: &mut Draw) -> String {
    const MONTHS: [&str; 12] =
        ["January", "Feb", "March", "Apr", "May", "June", "July", "Aug", "September", "Oct", "Nov", "December"];
    let (year, month, day) = (draw.from(1_925, 2_026), draw.from(1, 12), draw.from(1, 28));
    let name = MONTHS[usize::try_from(month - 1).unwrap_or(0)];
    match draw.from(0, 6) {
        0 => format!("{year}-{month:02}-{day:02}"),
        1 => format!("{month}/{day}/{year}"),
        2 => format!("{month:02}/{day:02}/{:02}", year % 100),
        3 => format!("{day}.{month}.{year}"),
        4 => format!("{name} {day}, {year}"),
        5 => format!("{day} {name} {year}"),
        _ => format!("{name} {year}"),
    }
}
