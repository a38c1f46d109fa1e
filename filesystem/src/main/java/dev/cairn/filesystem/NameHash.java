package dev.cairn.filesystem;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/// Where names of entries and xattrs are looked up. Part of the format: the same name has the same hash for ever.
///
/// SipHash with one round for each word and three at the end, under a key that is no secret. Names of equal hash cost one
/// more look each, and whoever may create files chooses the names: of a simple hash they could make thousands that
/// collide, of this one not even with the key in hand.
final class NameHash {
    private static final VarHandle U64 = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final long KEY_0 = 0x636169726e206e61L, KEY_1 = 0x6d65206861736820L;

    static long of(byte[] name) {
        long v0 = KEY_0 ^ 0x736f6d6570736575L, v1 = KEY_1 ^ 0x646f72616e646f6dL;
        long v2 = KEY_0 ^ 0x6c7967656e657261L, v3 = KEY_1 ^ 0x7465646279746573L;
        int words = name.length / 8;
        // The words of the name, one that has the rest and the length, and three rounds for the end.
        for (int i = 0; i < words + 4; i++) {
            long word = i < words ? (long) U64.get(name, i * 8) : i == words ? rest(name) : 0;
            if (i == words + 1) v2 ^= 0xff;
            v3 ^= word;
            v0 += v1;
            v2 += v3;
            v1 = Long.rotateLeft(v1, 13) ^ v0;
            v3 = Long.rotateLeft(v3, 16) ^ v2;
            v0 = Long.rotateLeft(v0, 32);
            v2 += v1;
            v0 += v3;
            v1 = Long.rotateLeft(v1, 17) ^ v2;
            v3 = Long.rotateLeft(v3, 21) ^ v0;
            v2 = Long.rotateLeft(v2, 32);
            v0 ^= word;
        }
        return v0 ^ v1 ^ v2 ^ v3;
    }

    private static long rest(byte[] name) {
        long rest = (long) name.length << 56;
        for (int at = name.length & ~7, shift = 0; at < name.length; at++, shift += 8) rest |= (name[at] & 0xffL) << shift;
        return rest;
    }

    private NameHash() {}
}
