package dev.cairn.node;

import java.util.LinkedHashMap;
import java.util.Map;

/// One thing that is wrong with a node: a stable name for alert rules, what was found, and what to do about it.
public record Condition(Name name, String what) {
    public enum Severity { WARNING, CRITICAL }

    /// Every condition that there is, with its meaning in the action: the names are part of the interface.
    public enum Name {
        NOT_RUNNING(Severity.CRITICAL, "start it with: cairn up"),
        NOT_ANSWERING(Severity.CRITICAL, "look at its log; stopping it is safe at any moment: cairn down, or kill -9"),
        NOT_MOUNTED(Severity.CRITICAL, "mount it with: cairn up DIR"),
        MOUNT_ENDED(Severity.CRITICAL, "somebody unmounted it; mount it again with: cairn up DIR"),
        MOUNT_FAILED(Severity.CRITICAL, "the log says why; unmount and mount again: cairn down, then cairn up DIR"),
        SERVER_TROUBLE(Severity.CRITICAL, "do what it says; the log has more"),
        SERVER_UNREACHABLE(Severity.CRITICAL, "no server answers: look at the log of the quorum slot's node"),
        COMMIT_FAILED(Severity.CRITICAL, "changes are not becoming durable: look at the log for the device or server error"),
        DEVICE_ERROR(Severity.CRITICAL, "look at the log for the device and block, and at the kernel's log for the disk"),
        STARTING(Severity.WARNING, "wait: it says what it waits for when that takes long; its log has more"),
        METADATA_LOW(Severity.WARNING, "creating files fails with ENOSPC until something is deleted"),
        DATA_LOW(Severity.WARNING, "writing new data fails with ENOSPC until something is deleted"),
        MERGE_BEHIND(Severity.WARNING, "writers are slowed down until merging has caught up");

        public final Severity severity;
        public final String action;

        Name(Severity severity, String action) {
            this.severity = severity;
            this.action = action;
        }

        public String text() {
            return name().toLowerCase(java.util.Locale.ROOT).replace('_', '-');
        }
    }

    public Map<String, Object> toJson() {
        var json = new LinkedHashMap<String, Object>();
        json.put("name", name.text());
        json.put("severity", name.severity.name().toLowerCase(java.util.Locale.ROOT));
        json.put("what", what);
        json.put("action", name.action);
        return json;
    }
}
