package dev.cairn.node.cli;

import dev.cairn.block.DeviceLabel;
import dev.cairn.node.Bytes;
import dev.cairn.node.MountTable;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.OptionalLong;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "resize",
        description = {"Lets a mounted volume use more of its devices, which have been enlarged before.", "",
            "With neither -m nor -d both grow to the size that the devices have now; with one of them the other stays as it",
            "is. A volume never shrinks. Sizes take the suffixes K, M, G, T and P, all binary, and are rounded down to blocks."})
final class ResizeCommand extends Cairn.Subcommand {
    private static final Duration WITHIN = Duration.ofSeconds(60);

    @Option(names = {"-m", "--meta-size"}, paramLabel = "SIZE", description = "Use so much of the metadata device.")
    String metaSize;

    @Option(names = {"-d", "--data-size"}, paramLabel = "SIZE", description = "Use so much of the data device.")
    String dataSize;

    @Option(names = "--json", description = "Print JSON.")
    boolean json;

    @Parameters(paramLabel = "DIR", description = "The mount point.")
    Path dirArgument;

    @Override
    public Integer call() throws IOException {
        OptionalLong meta = size("-m", metaSize), data = size("-d", dataSize);
        var dir = environment().absolute(dirArgument);
        var node = NodePort.serving(environment(), dir).flatMap(dev.cairn.node.StateDirectory::running)
                .orElseThrow(() -> new CommandFailure(MountTable.read().cairnAt(dir)
                        ? dir + " is served by a node of another user: resize it as that user" : dir + " is not the mount point of a Cairn volume"));
        com.typesafe.config.Config answer;
        try {
            answer = new NodePort(node).resize(meta, data, WITHIN);
        } catch (SocketTimeoutException e) {
            throw new CommandFailure("the node has not answered; 'cairn df " + dir + "' shows whether the volume has grown", e);
        }
        if (json) {
            var all = new LinkedHashMap<String, Object>();
            for (var name : new String[] {"metadata_blocks_before", "metadata_blocks", "data_blocks_before", "data_blocks"})
                all.put(name, answer.getLong(name));
            json(all);
            return Cairn.OK;
        }
        say("metadata", "64KB", DeviceLabel.METADATA_BLOCK_BYTES, answer.getLong("metadata_blocks_before"), answer.getLong("metadata_blocks"));
        say("data", "4KB", DeviceLabel.DATA_BLOCK_BYTES, answer.getLong("data_blocks_before"), answer.getLong("data_blocks"));
        return Cairn.OK;
    }

    private void say(String device, String size, int blockBytes, long before, long now) {
        var human = Bytes.human(now * blockBytes);
        if (before == now) print("%-8s  %d %s blocks (%s), as before", device, now, size, human);
        else print("%-8s  %d %s blocks (%s), before %d", device, now, size, human, before);
    }

    private OptionalLong size(String option, String text) {
        return text == null ? OptionalLong.empty() : OptionalLong.of(UpCommand.size(this, option, text));
    }
}
