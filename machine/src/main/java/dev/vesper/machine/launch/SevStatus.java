package dev.vesper.machine.launch;

/** Status codes of the SEV API, at their numbers (spec: launch, section 1). */
public enum SevStatus {
  SUCCESS,
  INVALID_PLATFORM_STATE,
  INVALID_GUEST_STATE,
  INVALID_CONFIG,
  INVALID_LENGTH,
  ALREADY_OWNED,
  INVALID_CERTIFICATE,
  POLICY_FAILURE,
  INACTIVE,
  INVALID_ADDRESS,
  BAD_SIGNATURE,
  BAD_MEASUREMENT,
  ASID_OWNED,
  INVALID_ASID,
  WBINVD_REQUIRED,
  DF_FLUSH_REQUIRED,
  INVALID_GUEST,
  INVALID_COMMAND,
  ACTIVE,
  HWERROR_PLATFORM,
  HWERROR_UNSAFE,
  UNSUPPORTED,
  INVALID_PARAM,
  RESOURCE_LIMIT,
  SECURE_DATA_INVALID;

  /** {@return the number that a command's buffer carries} */
  public int code() {
    return ordinal();
  }
}
