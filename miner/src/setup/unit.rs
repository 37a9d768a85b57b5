//! The unit that sets registers at each start of the machine. Huge pages have a file of the kernel's own for that.

/// Its name; the unit of the miner starts after it.
pub const NAME: &str = "rminer-setup.service";

/// Its text, for the program at this path. It sets back what it changed when it is stopped.
pub fn text(exe: &str) -> String {
    format!(
        "# Written by `rminer setup msr --persist`; `rminer setup msr --undo` removes it.\n\
         [Unit]\n\
         Description=Registers for RandomX (rminer)\n\
         After=systemd-modules-load.service\n\
         Before=rminer.service\n\
         ConditionVirtualization=no\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         ExecStart={exe} setup msr\n\
         ExecStop={exe} setup msr --undo --keep-files\n\
         StateDirectory=rminer-setup\n\
         NoNewPrivileges=yes\n\
         PrivateNetwork=yes\n\
         PrivateTmp=yes\n\
         ProtectHome=read-only\n\
         ProtectControlGroups=yes\n\
         ProtectKernelLogs=yes\n\
         RestrictNamespaces=yes\n\
         LockPersonality=yes\n\
         CapabilityBoundingSet=CAP_SYS_RAWIO CAP_SYS_MODULE CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH\n\
         UMask=0022\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_undoes_at_its_stop_what_it_did_and_leaves_itself() {
        let text = super::text("/usr/bin/rminer");
        assert!(text.contains("ExecStart=/usr/bin/rminer setup msr\n"), "{text}");
        assert!(text.contains("ExecStop=/usr/bin/rminer setup msr --undo --keep-files\n"), "{text}");
        assert!(text.contains("Before=rminer.service\n") && text.contains("RemainAfterExit=yes\n"), "{text}");
    }
}
