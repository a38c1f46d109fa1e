package dev.cairn.transaction.run;

import dev.cairn.transaction.Item;
import dev.cairn.transaction.Key;

/// One item inside a decoded block, looked at in place. Reused: it shows something else after the next call on whatever
/// handed it out.
public class ItemView {
    private ItemBlock block;
    private int at;

    ItemView() {}

    final ItemView show(ItemBlock newBlock, int index) {
        block = newBlock;
        at = index;
        return this;
    }

    public final Key key() {
        return block.key(at);
    }

    /// As `key().compareTo(other)`, without making a key.
    public final int compareKey(Key other) {
        return block.compare(at, other);
    }

    public final long seq() {
        return block.seq(at);
    }

    public final boolean deleted() {
        return block.deleted(at);
    }

    /// 0 for a deletion.
    public final int valueLength() {
        return block.valueLength(at);
    }

    /// A copy; null for a deletion.
    public final byte[] value() {
        return block.value(at);
    }

    public final Item item() {
        return new Item(key(), seq(), value());
    }

    final ItemBlock block() {
        return block;
    }

    final int index() {
        return at;
    }
}
