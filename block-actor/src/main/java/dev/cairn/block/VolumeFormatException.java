package dev.cairn.block;

import java.io.IOException;

/// mkfs refused, or could not finish. The message is one line and says what to do.
public class VolumeFormatException extends IOException {
    private static final long serialVersionUID = 1;

    public VolumeFormatException(String message) {
        super(message);
    }

    public VolumeFormatException(String message, Throwable cause) {
        super(message, cause);
    }
}
