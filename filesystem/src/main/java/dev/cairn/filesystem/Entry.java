package dev.cairn.filesystem;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/// One name of an inode in a directory. Three items carry the same value, found by name, by position and by target:
///
///      0  u8   version
///      1  u8   type      of the target, as d_type: readdir answers with it
///      2  u64  ino       the target
///     10  u64  position  in readdir order, never reused
///     18       name      1 to 255 bytes
///
/// @param n which of the names with this hash: see [Keys]. Known only when it was found by its name, otherwise -1
record Entry(long ino, int type, long pos, byte[] name, long n) {
    private static final int VERSION = 1;
    private static final int VERSION_AT = 0, TYPE_AT = 1, INO_AT = 2, POS_AT = 10, NAME_AT = 18;
    private static final VarHandle U64 = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    byte[] encode() {
        var to = new byte[NAME_AT + name.length];
        to[VERSION_AT] = VERSION;
        to[TYPE_AT] = (byte) type;
        U64.set(to, INO_AT, ino);
        U64.set(to, POS_AT, pos);
        System.arraycopy(name, 0, to, NAME_AT, name.length);
        return to;
    }

    /// @param keyedBy the inode it was found under, for the log
    static Entry decode(long keyedBy, byte[] from, long n) {
        int nameLength = from.length - NAME_AT;
        if (nameLength < 1 || nameLength > FileSystem.NAME_BYTES_MAX || from[VERSION_AT] != VERSION)
            throw Inode.damaged(keyedBy, "an entry of %d bytes, version %d".formatted(from.length,
                    from.length > 0 ? from[VERSION_AT] : -1));
        return new Entry((long) U64.get(from, INO_AT), from[TYPE_AT], (long) U64.get(from, POS_AT),
                Arrays.copyOfRange(from, NAME_AT, from.length), n);
    }

    static boolean named(byte[] value, byte[] name) {
        return value.length == NAME_AT + name.length
                && Arrays.equals(value, NAME_AT, value.length, name, 0, name.length);
    }
}
