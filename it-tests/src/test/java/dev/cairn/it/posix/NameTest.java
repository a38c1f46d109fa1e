package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/// What a name may be.
class NameTest extends PosixTest {
    @Test
    void a_name_has_up_to_255_bytes() {
        for (int length : new int[] {1, 2, 100, 254, 255}) {
            var name = "n".repeat(length);
            file(name, 0600, name);
            assertThat(content(at(name))).isEqualTo(name);
            ok(root.rename(at(name), at("m".repeat(length))));
            ok(root.unlink(at("m".repeat(length))));
        }
        refused(ENAMETOOLONG, root.open(at("n".repeat(256)), O_WRONLY | O_CREAT, 0600));
        refused(ENAMETOOLONG, root.statAnswer(at("n".repeat(256)), 0));
        refused(ENAMETOOLONG, root.statAnswer(dir + "/.".repeat(2050), 0));
        ok(root.statAnswer(dir + "/.".repeat(1900), 0));
    }

    @Test
    void a_name_is_bytes_and_not_text() {
        var expected = new TreeSet<String>();
        for (int c = 1; c < 256; c++) {
            if (c == '/' || c == '.') continue;
            expected.add(Character.toString((char) c));
            expected.add("x" + (char) c + "y");
        }
        expected.add("...");
        expected.add("..a");
        expected.add(" ");
        expected.add("\u00c3\u00a4");
        expected.add("a\u00cc\u0088");
        for (var name : expected) file(name, 0600, name);
        assertThat(new TreeSet<>(names(dir))).isEqualTo(expected);
        for (var name : expected) assertThat(content(at(name))).isEqualTo(name);
        for (var name : expected) ok(root.unlink(at(name)));
        assertThat(names(dir)).isEmpty();
    }

    @Test
    void case_and_composition_make_different_names() {
        for (var name : new String[] {"a", "A", "\u00c3\u00a4", "a\u00cc\u0088", "stra\u00c3\u009fe", "strasse"}) file(name, 0600, name);
        assertThat(names(dir)).hasSize(6);
        refused(ENOENT, root.statAnswer(at("STRASSE"), 0));
    }

    @Test
    void a_name_that_was_missed_is_found_once_it_is_there() {
        refused(ENOENT, root.statAnswer(at("f"), 0));
        file("f", 0600, "");
        ok(root.statAnswer(at("f"), 0));
        ok(root.unlink(at("f")));
        refused(ENOENT, root.statAnswer(at("f"), 0));
        ok(root.mkdir(at("f"), 0700));
        assertThat(root.stat(at("f")).type()).isEqualTo(S_IFDIR);
        refused(ENOENT, root.statAnswer(at("g"), 0));
        ok(root.rename(at("f"), at("g")));
        ok(root.statAnswer(at("g"), 0));
        refused(ENOENT, root.statAnswer(at("f"), 0));
    }

    @Test
    void a_thousand_names_are_all_found() {
        for (int i = 0; i < 1000; i++) closed(kept(root.open(at("name-" + i * 7919), O_WRONLY | O_CREAT | O_EXCL, 0600)));
        for (int i = 0; i < 1000; i++) ok(root.statAnswer(at("name-" + i * 7919), 0));
        refused(ENOENT, root.statAnswer(at("name-1"), 0));
        assertThat(names(dir)).hasSize(1000);
    }
}
