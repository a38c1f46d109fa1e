package dev.cairn.block;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/// Tells what a device carries already, so that mkfs does not destroy it unasked. Looks at magic numbers only: it is
/// better to ask for `-f` once too often.
final class Signatures {
    private record Signature(String what, int at, byte[] magic) {}

    private static final ValueLayout.OfShort U16 =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int HEAD_BYTES = (int) LabelArea.BYTES;

    // Those with the clearest magic first; the MBR, which many of them imitate, is looked for last, below.
    private static final List<Signature> KNOWN = List.of(
            text("an XFS file system", 0, "XFSB"),
            hex("an ext2, ext3 or ext4 file system", 1080, "53ef"),
            text("a btrfs file system", 65536 + 64, "_BHRfS_M"),
            text("an NTFS file system", 3, "NTFS    "),
            text("an exFAT file system", 3, "EXFAT   "),
            text("a FAT file system", 54, "FAT12   "),
            text("a FAT file system", 54, "FAT16   "),
            text("a FAT file system", 82, "FAT32   "),
            text("a GPT partition table", 512, "EFI PART"),
            text("a GPT partition table", 4096, "EFI PART"),
            text("an LVM2 physical volume", 0, "LABELONE"),
            text("an LVM2 physical volume", 512, "LABELONE"),
            text("an LVM2 physical volume", 1024, "LABELONE"),
            text("an LVM2 physical volume", 1536, "LABELONE"),
            hex("a LUKS encrypted volume", 0, "4c554b53babe"),
            hex("a LUKS encrypted volume", 16384, "534b554cbabe"),
            text("swap space", 4096 - 10, "SWAPSPACE2"),
            text("swap space", 4096 - 10, "SWAP-SPACE"),
            text("swap space", 16384 - 10, "SWAPSPACE2"),
            text("swap space", 65536 - 10, "SWAPSPACE2"),
            hex("an f2fs file system", 1024, "1020f5f2"),
            hex("an EROFS file system", 1024, "e2e1f5e0"),
            text("a squashfs file system", 0, "hsqs"),
            text("an ISO 9660 file system", 32768 + 1, "CD001"),
            text("a JFS file system", 32768, "JFS1"),
            text("a ReiserFS file system", 65536 + 52, "ReIsEr"),
            hex("a GFS2 file system", 65536, "01161970"),
            hex("a bcache or bcachefs device", 4096 + 24, "c68573f6"),
            hex("a RAID member", 0, "fc4e2ba9"),
            hex("a RAID member", 4096, "fc4e2ba9"));

    private Signatures() {}

    private static Signature text(String what, int at, String magic) {
        return new Signature(what, at, magic.getBytes(StandardCharsets.ISO_8859_1));
    }

    private static Signature hex(String what, int at, String magic) {
        return new Signature(what, at, HexFormat.of().parseHex(magic));
    }

    /// What the device carries that is not Cairn's, in words.
    static Optional<String> find(DeviceFile file) throws DeviceException {
        try (var arena = Arena.ofConfined()) {
            var head = arena.allocate(HEAD_BYTES, 4096);
            head.fill((byte) 0);
            file.read(0, head.asSlice(0, Math.min(HEAD_BYTES, file.bytes())), DeviceLabel.DATA_BLOCK_BYTES);
            var found = find(head);
            if (found.isPresent() || file.bytes() < 2 * 512) return found;
            var last = arena.allocate(512);
            file.read(file.bytes() - 512, last, 512);
            return matches(last, 0, "EFI PART".getBytes(StandardCharsets.ISO_8859_1))
                    ? Optional.of("a GPT partition table (its backup at the end)") : Optional.empty();
        }
    }

    /// @param head the first 256 KiB, zeros where the device is shorter
    static Optional<String> find(MemorySegment head) {
        for (var signature : KNOWN)
            if (matches(head, signature.at, signature.magic)) return Optional.of(signature.what);
        if (hasZfsUberblock(head)) return Optional.of("a ZFS pool member");
        return hasPartitions(head) ? Optional.of("an MBR partition table") : Optional.empty();
    }

    private static boolean matches(MemorySegment head, long at, byte[] magic) {
        return MemorySegment.mismatch(head, at, at + magic.length, MemorySegment.ofArray(magic), 0, magic.length) == -1;
    }

    // The ring of uberblocks in the first label: in whichever byte order the pool was made.
    private static boolean hasZfsUberblock(MemorySegment head) {
        byte[] little = HexFormat.of().parseHex("0cb1ba0000000000"), big = HexFormat.of().parseHex("0000000000bab10c");
        for (long at = 128 * 1024; at < HEAD_BYTES; at += 1024)
            if (matches(head, at, little) || matches(head, at, big)) return true;
        return false;
    }

    // 55 AA alone ends many a boot sector; four plausible entries of which one is used make it a table.
    private static boolean hasPartitions(MemorySegment head) {
        if (head.get(U16, 510) != (short) 0xaa55) return false;
        boolean used = false;
        for (int at = 446; at < 510; at += 16) {
            int status = Byte.toUnsignedInt(head.get(ValueLayout.JAVA_BYTE, at));
            if (status != 0 && status != 0x80) return false;
            used |= head.get(ValueLayout.JAVA_BYTE, at + 4) != 0;
        }
        return used;
    }

    /// Removes what [#find] finds, so that no other program takes the device for what it was.
    static void erase(DeviceFile file) throws DeviceException {
        try (var arena = Arena.ofConfined()) {
            var zeros = arena.allocate(HEAD_BYTES, 4096);
            file.write(0, zeros.asSlice(0, Math.min(HEAD_BYTES, file.bytes())), DeviceLabel.DATA_BLOCK_BYTES);
            if (file.bytes() >= 2L * HEAD_BYTES)
                file.write(file.bytes() - 4096, zeros.asSlice(0, 4096), DeviceLabel.DATA_BLOCK_BYTES);
        }
    }
}
