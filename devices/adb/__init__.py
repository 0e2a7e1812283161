"""Devices behind adb: phones, boards and the emulated machines.

adb-shell gives the transports (TCP, USB) and the keys. The message layer above them is ours, because that
package's own keeps standard output and error in one stream, has no exit codes, and shows a push that the
device refused as a time-out.
"""
