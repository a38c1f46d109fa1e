package dev.cairn.node;

import java.util.Locale;
import java.util.regex.Pattern;

/// Sizes as people write them: a number with an optional suffix K, M, G, T or P, all binary (1K is 1024 bytes).
public final class Bytes {
    private static final Pattern SIZE = Pattern.compile("([0-9]{1,19})(?:([KMGTP])(?:i?B)?)?", Pattern.CASE_INSENSITIVE);
    private static final String SUFFIXES = "KMGTP";

    private Bytes() {}

    /// Throws IllegalArgumentException that says what is wrong with the text.
    public static long parse(String text) {
        var match = SIZE.matcher(text.strip());
        if (!match.matches()) throw new IllegalArgumentException("'" + text + "' is not a size: want a number with K, M, G, T or P behind it, as in 64G");
        try {
            long number = Long.parseLong(match.group(1));
            if (match.group(2) == null) return number;
            int power = SUFFIXES.indexOf(Character.toUpperCase(match.group(2).charAt(0))) + 1;
            return Math.multiplyExact(number, 1L << (10 * power));
        } catch (ArithmeticException | NumberFormatException tooLarge) {
            throw new IllegalArgumentException("'" + text + "' is larger than any device");
        }
    }

    /// Rounded to a tenth, for people: 1536 is `1.5K`.
    public static String human(long bytes) {
        if (bytes < 0) return "-" + (bytes == Long.MIN_VALUE ? "8192P" : human(-bytes));
        if (bytes < 1024) return bytes + "B";
        double scaled = bytes;
        int power = 0;
        while (scaled >= 1023.95 && power < SUFFIXES.length()) {
            scaled /= 1024;
            power++;
        }
        var digits = scaled >= 100 || scaled == Math.rint(scaled) ? "%.0f" : "%.1f";
        return String.format(Locale.ROOT, digits, scaled) + SUFFIXES.charAt(power - 1);
    }

    /// Exact, for configuration files: the largest suffix that divides the size.
    public static String exact(long bytes) {
        int power = 0;
        while (bytes != 0 && bytes % 1024 == 0 && power < SUFFIXES.length()) {
            bytes /= 1024;
            power++;
        }
        return power == 0 ? Long.toString(bytes) : bytes + SUFFIXES.substring(power - 1, power);
    }
}
