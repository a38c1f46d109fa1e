package dev.cairn.filesystem;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/// Where names of entries and xattrs are looked up. Part of the format: the same name has the same hash for ever.
///
/// Eight bytes at a time: xor, multiply by an odd constant, fold the high half into the low; the last step has every bit
/// depend on every other (the finalizer of splitmix64, whose constants these are). Names of equal hash are possible and
/// cost one more look each; nothing depends on there being none.
final class NameHash {
    private static final VarHandle U64 = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final long M1 = 0xbf58476d1ce4e5b9L, M2 = 0x94d049bb133111ebL, STEP = 0x9e3779b97f4a7c15L;

    static long of(byte[] name) {
        long hash = name.length * STEP;
        int at = 0;
        for (; at + 8 <= name.length; at += 8) hash = step(hash, (long) U64.get(name, at));
        long rest = 0;
        for (int shift = 0; at < name.length; at++, shift += 8) rest |= (name[at] & 0xffL) << shift;
        hash = step(hash, rest);
        hash = (hash ^ hash >>> 30) * M1;
        hash = (hash ^ hash >>> 27) * M2;
        return hash ^ hash >>> 31;
    }

    private static long step(long hash, long word) {
        hash = (hash ^ word) * M1;
        return (hash ^ hash >>> 32) + STEP;
    }

    private NameHash() {}
}
