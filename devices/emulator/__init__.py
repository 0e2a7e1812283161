"""Emulated machines: QEMU running a real Linux kernel and a real adbd, with a clock that counts instructions.

Built from Debian's packages without root, reached through the same adb code as a phone.
"""
