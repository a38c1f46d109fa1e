package dev.cairn.node;

import java.util.Collection;
import java.util.Map;

/// Writes JSON: maps (in their own order), collections, strings, booleans, numbers and null. Reading is done by the
/// configuration library, which takes JSON as well.
public final class Json {
    private static final int INDENT = 2;

    private Json() {}

    /// On several lines, for people and programs alike; ends without a line break.
    public static String pretty(Object value) {
        var out = new StringBuilder();
        write(out, value, 0);
        return out.toString();
    }

    /// On one line.
    public static String line(Object value) {
        var out = new StringBuilder();
        write(out, value, -1);
        return out.toString();
    }

    private static void write(StringBuilder out, Object value, int depth) {
        switch (value) {
            case null -> out.append("null");
            case Map<?, ?> map -> {
                var separator = "{";
                for (var entry : map.entrySet()) {
                    out.append(separator);
                    line(out, depth + 1, depth);
                    quote(out, entry.getKey().toString());
                    out.append(": ");
                    write(out, entry.getValue(), deeper(depth));
                    separator = depth < 0 ? ", " : ",";
                }
                close(out, map.isEmpty(), depth, "{}", "}");
            }
            case Collection<?> list -> {
                var separator = "[";
                for (var element : list) {
                    out.append(separator);
                    line(out, depth + 1, depth);
                    write(out, element, deeper(depth));
                    separator = depth < 0 ? ", " : ",";
                }
                close(out, list.isEmpty(), depth, "[]", "]");
            }
            case Boolean truth -> out.append(truth);
            case Double number -> out.append(Double.isFinite(number) ? number.toString() : "null");
            case Number number -> out.append(number);
            default -> quote(out, value.toString());
        }
    }

    private static int deeper(int depth) {
        return depth < 0 ? depth : depth + 1;
    }

    private static void line(StringBuilder out, int indent, int depth) {
        if (depth >= 0) out.append('\n').repeat(' ', indent * INDENT);
    }

    private static void close(StringBuilder out, boolean empty, int depth, String whenEmpty, String bracket) {
        if (empty) {
            out.append(whenEmpty);
            return;
        }
        line(out, depth, depth);
        out.append(bracket);
    }

    private static void quote(StringBuilder out, String text) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                default -> {
                    if (c < 0x20 || Character.isSurrogate(c) && !paired(text, i)) out.append("\\u%04x".formatted((int) c));
                    else out.append(c);
                }
            }
        }
        out.append('"');
    }

    private static boolean paired(String text, int at) {
        return Character.isHighSurrogate(text.charAt(at))
                ? at + 1 < text.length() && Character.isLowSurrogate(text.charAt(at + 1))
                : at > 0 && Character.isHighSurrogate(text.charAt(at - 1));
    }
}
