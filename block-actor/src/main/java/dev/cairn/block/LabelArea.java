package dev.cairn.block;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The first 256 KiB of each device, where its label is written twice.
///
///          0  nothing of Cairn's: boot loaders and partition tables may have it
///     64 KiB  label, place 0: 4 KiB
///    128 KiB  label, place 1: 4 KiB
///    256 KiB  the first usable block
///
/// One place, little-endian:
///
///      0  u64  magic     "CAIRNLBL"
///      8  u32  version   of the format of the label; 1
///     12  u32  length    of the message
///     16  u32  checksum  CRC32C of bytes 8 to 16 and 20 to the end
///     20  u32  zero
///     24       message   cairn.DeviceLabel, then zeros
///
/// An update goes first to the place that does not hold the newest sound label, is flushed, and then goes to the other.
/// In a fixed order, 0 then 1, it could be lost: a power cut tears place 1, the next update begins with place 0, the only
/// sound one, and a second power cut tears that too.
final class LabelArea {
    private static final Logger LOG = LoggerFactory.getLogger(LabelArea.class);
    static final long BYTES = 256 * 1024;
    static final int PLACES = 2, PLACE_BYTES = 4096;
    static final int VERSION = 1;

    private static final int MAGIC_AT = 0, VERSION_AT = 8, LENGTH_AT = 12, CHECKSUM_AT = 16, MESSAGE_AT = 24;
    private static final int MESSAGE_BYTES_MAX = PLACE_BYTES - MESSAGE_AT;
    private static final long MAGIC = 0x4c_42_4c_4e_52_49_41_43L;      // "CAIRNLBL", first letter lowest
    private static final ValueLayout.OfInt U32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong U64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// What one place holds.
    sealed interface Place {}

    record Sound(DeviceLabel label) implements Place {}

    record Nothing() implements Place {}

    record Broken(String why) implements Place {}

    record Newer(int version) implements Place {}

    private LabelArea() {}

    static long placeAt(int place) {
        return (place + 1) * 64L * 1024;
    }

    static void encode(DeviceLabel label, MemorySegment place) {
        encode(label, VERSION, place);
    }

    static void encode(DeviceLabel label, int version, MemorySegment place) {
        var message = label.toBytes();
        if (message.length > MESSAGE_BYTES_MAX)
            throw new IllegalArgumentException("label of " + message.length + " bytes");
        place.fill((byte) 0);
        place.set(U64, MAGIC_AT, MAGIC);
        place.set(U32, VERSION_AT, version);
        place.set(U32, LENGTH_AT, message.length);
        MemorySegment.copy(message, 0, place, ValueLayout.JAVA_BYTE, MESSAGE_AT, message.length);
        place.set(U32, CHECKSUM_AT, checksum(place));
    }

    static Place decode(MemorySegment place) {
        long magic = place.get(U64, MAGIC_AT);
        if (magic != MAGIC) return new Nothing();
        int stored = place.get(U32, CHECKSUM_AT), actual = checksum(place);
        if (stored != actual) return new Broken("checksum is %08x, header says %08x".formatted(actual, stored));
        int version = place.get(U32, VERSION_AT);
        if (version > VERSION || version < 0) return new Newer(version);
        if (version != VERSION) return new Broken("version is " + version);
        int length = place.get(U32, LENGTH_AT);
        if (length < 0 || length > MESSAGE_BYTES_MAX) return new Broken("length is " + length);
        try {
            return new Sound(DeviceLabel.fromBytes(
                    place.asSlice(MESSAGE_AT, length).toArray(ValueLayout.JAVA_BYTE)));
        } catch (IllegalArgumentException e) {
            return new Broken(e.getMessage());
        }
    }

    private static int checksum(MemorySegment place) {
        var crc = new CRC32C();
        crc.update(place.asSlice(VERSION_AT, CHECKSUM_AT - VERSION_AT).asByteBuffer());
        crc.update(place.asSlice(CHECKSUM_AT + 4).asByteBuffer());
        return (int) crc.getValue();
    }

    private static Place[] places(BlockDevice device) {
        try (var arena = Arena.ofConfined()) {
            var buffer = arena.allocate(PLACE_BYTES, 4096);
            var places = new Place[PLACES];
            for (int i = 0; i < PLACES; i++) {
                try {
                    device.read(placeAt(i), buffer);
                    places[i] = decode(buffer);
                } catch (DeviceException e) {
                    places[i] = new Broken(e.getMessage());     // an unreadable sector is what the second place is for
                }
            }
            return places;
        }
    }

    /// The newest sound label of the device.
    ///
    /// @throws LabelException when there is none, saying why
    static DeviceLabel read(BlockDevice device) throws DeviceException {
        if (device.blocks() * device.blockBytes() < BYTES)
            throw new LabelException(LabelException.Problem.MISSING, ("%s: has %d bytes, too few for a Cairn label; "
                    + "not a Cairn device, or cut short").formatted(device.name(),
                    device.blocks() * device.blockBytes()));
        var places = places(device);
        for (int i = 0; i < PLACES; i++)
            if (places[i] instanceof Newer(int version))
                throw new LabelException(LabelException.Problem.NEWER_VERSION, ("%s: label is of format version %d and "
                        + "this program knows versions up to %d; use a newer Cairn").formatted(device.name(),
                        version, VERSION));
        var best = newest(places);
        if (best < 0) throw none(device, places);
        for (int i = 0; i < PLACES; i++)
            if (!places[i].equals(places[best]))
                LOG.warn("{}: label at {} is {}; using the one at {} (sequence {})", device.name(), placeAt(i),
                        words(places[i]), placeAt(best), ((Sound) places[best]).label.sequence());
        return ((Sound) places[best]).label;
    }

    private static LabelException none(BlockDevice device, Place[] places) {
        boolean nothing = true;
        for (var place : places) nothing &= place instanceof Nothing;
        if (nothing) return new LabelException(LabelException.Problem.MISSING, device.name()
                + ": carries no Cairn label; make a volume with 'cairn mkfs', or check the path");
        return new LabelException(LabelException.Problem.DAMAGED, ("%s: no copy of its Cairn label is sound: at %d %s; "
                + "at %d %s; restore the first 256 KiB of the device from a backup").formatted(device.name(),
                placeAt(0), words(places[0]), placeAt(1), words(places[1])));
    }

    private static String words(Place place) {
        return switch (place) {
            case Sound(var label) -> "older (sequence " + label.sequence() + ")";
            case Nothing _ -> "missing";
            case Broken(var why) -> "torn or damaged (" + why + ")";
            case Newer(int version) -> "of the newer format version " + version;
        };
    }

    /// Whether anything like a label is there, sound or not.
    static boolean present(BlockDevice device) {
        if (device.blocks() * device.blockBytes() < BYTES) return false;
        for (var place : places(device)) if (!(place instanceof Nothing)) return true;
        return false;
    }

    private static int newest(Place[] places) {
        int best = -1;
        for (int i = 0; i < places.length; i++)
            if (places[i] instanceof Sound(var label) && (best < 0
                    || label.sequence() > ((Sound) places[best]).label.sequence())) best = i;
        return best;
    }

    /// Replaces the device's label, durably. A power cut at any moment leaves the old one or the new one.
    static void write(BlockDevice device, DeviceLabel label) throws DeviceException {
        int last = Math.max(0, newest(places(device)));
        try (var arena = Arena.ofConfined()) {
            var buffer = arena.allocate(PLACE_BYTES, 4096);
            encode(label, buffer);
            for (int place : new int[] {1 - last, last}) {
                device.write(placeAt(place), buffer);
                device.flush();
            }
        }
    }

    /// Makes both places hold `label`, which is what the device says already, where one of them does not.
    static void repair(BlockDevice device, DeviceLabel label) throws DeviceException {
        for (var place : places(device))
            if (!place.equals(new Sound(label))) {
                write(device, label);
                LOG.info("{}: label written again in both places (sequence {})", device.name(), label.sequence());
                return;
            }
    }
}
