package dev.cairn.node;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class JsonTest {
    @Test
    void several_lines_for_people() {
        var map = new LinkedHashMap<String, Object>();
        map.put("name", "a \"b\"\n");
        map.put("empty", List.of());
        map.put("list", List.of(1, true, Map.of("x", 2)));
        map.put("nothing", null);
        assertThat(Json.pretty(map)).isEqualTo("""
                {
                  "name": "a \\"b\\"\\n",
                  "empty": [],
                  "list": [
                    1,
                    true,
                    {
                      "x": 2
                    }
                  ],
                  "nothing": null
                }""");
    }

    @Test
    void one_line_for_programs() {
        assertThat(Json.line(List.of(1, "two", Map.of()))).isEqualTo("[1, \"two\", {}]");
    }

    @Property
    void any_text_reads_back(@ForAll String text) {
        // What is half a character in UTF-16 is written as an escape, which the reader takes as it is.
        var json = Json.line(Map.of("text", text));
        assertThat(ConfigFactory.parseString(json).getString("text")).isEqualTo(text);
    }
}
