package dev.cairn.quorum.journal;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.ratis.RaftConfigKeys;
import org.apache.ratis.client.RaftClientConfigKeys;
import org.apache.ratis.conf.RaftProperties;
import org.apache.ratis.grpc.GrpcConfigKeys;
import org.apache.ratis.server.RaftServerConfigKeys;
import org.apache.ratis.util.SizeInBytes;
import org.apache.ratis.util.TimeDuration;

/// Ratis' settings, each with its reason. None is an operator's business: what they trade is known here.
final class JournalTuning {
    private JournalTuning() {}

    static RaftProperties properties(Path directory, RatisJournal.Settings settings) {
        var properties = new RaftProperties();
        RaftServerConfigKeys.setStorageDir(properties, List.of(directory.toFile()));

        if (settings.single()) {
            properties.set(RaftConfigKeys.Rpc.TYPE_KEY, SingleSlotRpc.class.getName());
            // Nobody else can win, so nothing is gained by waiting.
            RaftServerConfigKeys.Rpc.setFirstElectionTimeoutMin(properties, millis(1));
            RaftServerConfigKeys.Rpc.setFirstElectionTimeoutMax(properties, millis(2));
            RaftServerConfigKeys.Rpc.setTimeoutMin(properties, millis(50));
            RaftServerConfigKeys.Rpc.setTimeoutMax(properties, millis(100));
            // A pause of the process (a stopped virtual machine, starved cores) makes Ratis step down; alone, that only costs.
            RaftServerConfigKeys.setSleepDeviationThreshold(properties, days(3650));
        } else {
            GrpcConfigKeys.Server.setPort(properties, settings.peers().stream()
                    .filter(peer -> peer.slot() == settings.self()).findFirst().orElseThrow().port());
            // A leader's death hides behind the cluster's own detection, which is slower; lower values suspect busy peers.
            RaftServerConfigKeys.Rpc.setFirstElectionTimeoutMin(properties, millis(50));
            RaftServerConfigKeys.Rpc.setFirstElectionTimeoutMax(properties, millis(300));
            RaftServerConfigKeys.Rpc.setTimeoutMin(properties, millis(500));
            RaftServerConfigKeys.Rpc.setTimeoutMax(properties, millis(1000));
        }
        // After such a pause Ratis would close the peer for good. Epochs and terms make a late one harmless.
        RaftServerConfigKeys.setCloseThreshold(properties, days(3650));

        // Disk: RatisJournal asks for an image when the log has grown; purging drops whole segments before it, so these are
        // small. Ratis' own trigger is left for the image at a clean stop only, which makes the next start fast.
        RaftServerConfigKeys.Snapshot.setAutoTriggerEnabled(properties, true);
        RaftServerConfigKeys.Snapshot.setAutoTriggerThreshold(properties, Long.MAX_VALUE);
        RaftServerConfigKeys.Snapshot.setTriggerWhenStopEnabled(properties, true);
        RaftServerConfigKeys.Snapshot.setCreationGap(properties, 1);
        RaftServerConfigKeys.Snapshot.setRetentionFileNum(properties, 1);
        RaftServerConfigKeys.Log.setPurgeGap(properties, 1);
        RaftServerConfigKeys.Log.setPurgeUptoSnapshotIndex(properties, true);
        RaftServerConfigKeys.Log.setSegmentSizeMax(properties, SizeInBytes.valueOf(4L << 20));
        RaftServerConfigKeys.Log.setPreallocatedSize(properties, SizeInBytes.valueOf(1L << 20));

        // Halves the log's entries: the commit index is known from the log itself.
        RaftServerConfigKeys.Log.setLogMetadataEnabled(properties, false);
        RaftServerConfigKeys.Log.setCorruptionPolicy(properties, RaftServerConfigKeys.Log.CorruptionPolicy.EXCEPTION);

        // Memory: the state machine holds all that anyone reads; cached segments serve only followers that lag.
        RaftServerConfigKeys.Log.setSegmentCacheNumMax(properties, 2);
        RaftServerConfigKeys.Log.setSegmentCacheSizeMax(properties, SizeInBytes.valueOf(8L << 20));
        RaftServerConfigKeys.Log.Appender.setBufferByteLimit(properties,
                SizeInBytes.valueOf(RatisJournal.ENTRY_BYTES_MAX + (64L << 10)));
        RaftServerConfigKeys.Log.setWriteBufferSize(properties,
                SizeInBytes.valueOf(RatisJournal.ENTRY_BYTES_MAX + (128L << 10)));
        return properties;
    }

    static RaftProperties client() {
        var properties = new RaftProperties();
        // The journal retries by itself and asks for the leader again each time.
        RaftClientConfigKeys.Rpc.setRequestTimeout(properties, millis(1000));
        return properties;
    }

    private static TimeDuration millis(long n) {
        return TimeDuration.valueOf(n, TimeUnit.MILLISECONDS);
    }

    private static TimeDuration days(long n) {
        return TimeDuration.valueOf(n, TimeUnit.DAYS);
    }
}
