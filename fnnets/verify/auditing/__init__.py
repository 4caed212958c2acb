"""The audit of derivative rules: every `custom_vjp` and `custom_jvp` in a traced program, checked where it stands."""
