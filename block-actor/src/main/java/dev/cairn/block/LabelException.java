package dev.cairn.block;

/// A device cannot be used because of its label. The message names the device and says what to do.
public class LabelException extends DeviceException {
    private static final long serialVersionUID = 1;

    /// What is wrong with it.
    public enum Problem {
        /// No trace of a label: never formatted, or overwritten.
        MISSING,
        /// There was a label, and none of its copies is sound.
        DAMAGED,
        /// Written by a newer program.
        NEWER_VERSION,
        /// The metadata device was given as data device, or the other way round.
        ROLE_SWAPPED,
        /// Two devices that do not belong together.
        FOREIGN_PAIR,
        /// The device is smaller than its label says.
        TRUNCATED,
        /// Both paths lead to the same device.
        SAME_DEVICE
    }

    private final Problem problem;

    public LabelException(Problem problem, String message) {
        super(message);
        this.problem = problem;
    }

    public Problem problem() {
        return problem;
    }
}
