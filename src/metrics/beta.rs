//! The regularised incomplete beta function, and by it the tails of Student's t (spec `metrics.md`, "t-tests").

/// Two-sided tail of Student's t with `df` degrees of freedom, which need not be whole.
pub fn student_t_two_sided(t: f64, df: f64) -> f64 {
    if t.is_infinite() {
        return 0.0;
    }
    let squares = df + t * t;
    beta_from_parts(0.5 * df, 0.5, df / squares, t * t / squares)
}

/// I_x(a, b) for a, b > 0 and x in [0, 1].
pub fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    beta_from_parts(a, b, x, 1.0 - x)
}

/// I_x(a, b) where `y` is 1 - x: computed from an x next to 1, it would have lost its digits.
fn beta_from_parts(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x <= 0.0 || y <= 0.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    // The fraction converges fast only below the mean.
    if x > (a + 1.0) / (a + b + 2.0) { 1.0 - below_mean(b, a, y, x) } else { below_mean(a, b, x, y) }
}

fn below_mean(a: f64, b: f64, x: f64, y: f64) -> f64 {
    let ln = |of: f64, rest: f64| if of < 0.5 { of.ln() } else { (-rest).ln_1p() };
    let front = (a * ln(x, y) + b * ln(y, x) - ln_beta(a, b)).exp();
    front * fraction(a, b, x) / a
}

/// ln of Γ(a) Γ(b) / Γ(a + b).
fn ln_beta(a: f64, b: f64) -> f64 {
    let (small, large) = (a.min(b), a.max(b));
    if large < 100.0 {
        return ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b);
    }
    // Both gammas of large numbers by Stirling's series, whose leading parts cancel on paper instead of in digits.
    let rest = |x: f64| (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / (1260.0 * x * x)) / (x * x)) / x;
    let sum = large + small;
    ln_gamma(small) - (large - 0.5) * (small / large).ln_1p() - small * sum.ln() + small + rest(large) - rest(sum)
}

/// The continued fraction, by the modified method of Lentz.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let off_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / off_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for step in 1..10_000 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / off_zero(1.0 + term * d);
            c = off_zero(1.0 + term / c);
            change = c * d;
            value *= change;
        }
        if (change - 1.0).abs() < 1e-16 {
            break;
        }
    }
    value
}

/// ln Γ(x) for x > 0 (Lanczos, g = 7, nine terms).
#[allow(clippy::excessive_precision, reason = "as published")]
fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_13,
        -176.615_029_162_140_59,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_571_6e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        // Γ(x) Γ(1 - x) = π / sin πx
        return (std::f64::consts::PI / (std::f64::consts::PI * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let t = x + 7.5;
    let sum = (1_u8..).zip(TERMS).fold(0.999_999_999_999_809_93, |sum, (at, term)| sum + term / (x + f64::from(at)));
    0.5 * std::f64::consts::TAU.ln() + (x + 0.5) * t.ln() - t + sum.ln()
}
