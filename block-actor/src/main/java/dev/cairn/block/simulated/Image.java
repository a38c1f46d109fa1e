package dev.cairn.block.simulated;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/// Sparse bytes, zero where nothing was written. A page is replaced and never changed in place, so copies share pages.
final class Image {
    static final int PAGE = 4096;
    private final Map<Long, byte[]> pages;

    Image() {
        this(new HashMap<>());
    }

    private Image(Map<Long, byte[]> pages) {
        this.pages = pages;
    }

    Image copy() {
        return new Image(new HashMap<>(pages));
    }

    void write(long offset, byte[] from, int start, int length) {
        for (int done = 0; done < length; ) {
            long page = (offset + done) / PAGE;
            int within = (int) ((offset + done) % PAGE);
            int part = Math.min(PAGE - within, length - done);
            var old = pages.get(page);
            var fresh = old == null || part == PAGE ? new byte[PAGE] : old.clone();
            System.arraycopy(from, start + done, fresh, within, part);
            pages.put(page, fresh);
            done += part;
        }
    }

    void read(long offset, byte[] into) {
        for (int done = 0; done < into.length; ) {
            long page = (offset + done) / PAGE;
            int within = (int) ((offset + done) % PAGE);
            int part = Math.min(PAGE - within, into.length - done);
            var old = pages.get(page);
            if (old == null) Arrays.fill(into, done, done + part, (byte) 0);
            else System.arraycopy(old, within, into, done, part);
            done += part;
        }
    }

    void zero(long offset, long length) {
        for (long at = offset; at < offset + length; ) {
            long page = at / PAGE;
            int within = (int) (at % PAGE);
            int part = (int) Math.min(PAGE - within, offset + length - at);
            if (part == PAGE) pages.remove(page);
            else if (pages.containsKey(page)) write(at, new byte[part], 0, part);
            at += part;
        }
    }

    boolean holds(long offset, long length) {
        for (long page = offset / PAGE; page * PAGE < offset + length; page++)
            if (!pages.containsKey(page)) return false;
        return true;
    }
}
