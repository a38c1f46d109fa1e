package dev.cairn.node;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;

/// Leaves the terminal and the process group of whoever started this process, so that closing the one or interrupting the
/// other does not end a node in the background.
final class Session {
    private Session() {}

    static void leave() {
        try {
            var linker = Linker.nativeLinker();
            var setsid = linker.downcallHandle(linker.defaultLookup().findOrThrow("setsid"), FunctionDescriptor.of(ValueLayout.JAVA_INT));
            // -1 means that this process leads its group already, because a shell gave it one: that serves as well.
            int ignored = (int) setsid.invokeExact();
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException("setsid", e);
        }
    }
}
