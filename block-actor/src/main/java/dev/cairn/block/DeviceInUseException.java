package dev.cairn.block;

/// Another process, a mount or the kernel itself is using the device.
public class DeviceInUseException extends DeviceException {
    private static final long serialVersionUID = 1;

    public DeviceInUseException(String message) {
        super(message);
    }
}
