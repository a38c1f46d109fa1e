package dev.cairn.node.cli;

import dev.cairn.allocator.ReservePolicy;
import dev.cairn.block.DeviceLabel;
import dev.cairn.block.FormatRequest;
import dev.cairn.block.QuorumSlot;
import dev.cairn.block.VolumeFormat;
import dev.cairn.block.VolumeFormatException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.OptionalLong;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "mkfs",
        description = {"Makes a volume on a metadata and a data device, which are block devices or files.", "",
            "Refused when a device is in use, already carries a file system or a Cairn label (see -f), or is too small for",
            "the reserve that a few mounts need (see -A). Sizes take the suffixes K, M, G, T and P, all binary."})
final class MkfsCommand extends Cairn.Subcommand {
    private static final long META_BYTES_MIN = ReservePolicy.METADATA_BLOCKS_MIN * DeviceLabel.METADATA_BLOCK_BYTES;
    private static final long DATA_BYTES_MIN = ReservePolicy.DATA_BLOCKS_MIN * DeviceLabel.DATA_BLOCK_BYTES;

    @Option(names = {"-Q", "--quorum-slot"}, required = true, paramLabel = "NR,ADDR,PORT",
            description = "A quorum slot: number 0 to 14, numeric address, port. One, or three or five on different machines.")
    List<String> slots;

    @Option(names = {"-m", "--meta-size"}, paramLabel = "SIZE", description = "Use only this much of META.")
    String metaSize;

    @Option(names = {"-d", "--data-size"}, paramLabel = "SIZE", description = "Use only this much of DATA.")
    String dataSize;

    @Option(names = {"-z", "--data-zone"}, paramLabel = "BLOCKS", defaultValue = "0",
            description = "Divide DATA into zones of so many 4 KiB blocks; each mount fills zones of its own while there are any. Default: no zones.")
    long zoneBlocks;

    @Option(names = {"-A", "--allow-small"}, description = "Accept devices too small for the reserve of a few mounts: META below 256M, DATA below 64M.")
    boolean allowSmall;

    @Option(names = {"-f", "--force"}, description = "Overwrite what is there. A device in use is refused all the same.")
    boolean force;

    @Option(names = "--json", description = "Print JSON.")
    boolean json;

    @Parameters(index = "0", paramLabel = "META", description = "Metadata device.")
    Path meta;

    @Parameters(index = "1", paramLabel = "DATA", description = "Data device.")
    Path data;

    @Override
    public Integer call() {
        var parsed = slots.stream().map(this::slot).toList();
        var metaPath = environment().absolute(meta);
        var dataPath = environment().absolute(data);
        var request = new FormatRequest(metaPath, dataPath, size("-m", metaSize), size("-d", dataSize), parsed, zoneBlocks,
                META_BYTES_MIN, DATA_BYTES_MIN, allowSmall, force);
        VolumeFormat.Formatted made;
        try {
            made = VolumeFormat.format(request);
        } catch (VolumeFormatException e) {
            throw new CommandFailure(e.getMessage(), e);
        }
        if (json) {
            var all = new LinkedHashMap<String, Object>();
            all.put("fsid", "%016x".formatted(made.fsid()));
            all.put("meta_device", metaPath.toString());
            all.put("meta_blocks", made.metaBlocks());
            all.put("meta_block_bytes", DeviceLabel.METADATA_BLOCK_BYTES);
            all.put("data_device", dataPath.toString());
            all.put("data_blocks", made.dataBlocks());
            all.put("data_block_bytes", DeviceLabel.DATA_BLOCK_BYTES);
            var json = new ArrayList<Object>();
            for (var slot : made.slots()) {
                var one = new LinkedHashMap<String, Object>();
                one.put("nr", slot.nr());
                one.put("address", slot.address());
                one.put("port", slot.port());
                json.add(one);
            }
            all.put("quorum_slots", json);
            json(all);
            return Cairn.OK;
        }
        print("made volume %016x", made.fsid());
        print("  metadata device  %s", metaPath);
        print("  data device      %s", dataPath);
        print("  64KB metadata blocks  %d (%s)", made.metaBlocks(),
                dev.cairn.node.Bytes.human(made.metaBlocks() * DeviceLabel.METADATA_BLOCK_BYTES));
        print("  4KB data blocks       %d (%s)", made.dataBlocks(),
                dev.cairn.node.Bytes.human(made.dataBlocks() * DeviceLabel.DATA_BLOCK_BYTES));
        for (var slot : made.slots()) print("  quorum slot %d  %s port %d", slot.nr(), slot.address(), slot.port());
        return Cairn.OK;
    }

    private OptionalLong size(String option, String text) {
        return text == null ? OptionalLong.empty() : OptionalLong.of(UpCommand.size(this, option, text));
    }

    private QuorumSlot slot(String text) {
        var parts = text.split(",", -1);
        if (parts.length != 3) throw usage("-Q " + text + ": want NR,ADDR,PORT as in 0,127.0.0.1,12345");
        try {
            return new QuorumSlot(Integer.parseInt(parts[0]), parts[1], Integer.parseInt(parts[2]));
        } catch (NumberFormatException e) {
            throw usage("-Q " + text + ": slot and port have to be numbers, as in 0,127.0.0.1,12345");
        } catch (IllegalArgumentException e) {
            throw usage("-Q " + text + ": " + e.getMessage());
        }
    }
}
