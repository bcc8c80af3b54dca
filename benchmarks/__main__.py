"""Measure and print the table; the exit status says nothing about goals, the last column does."""

from __future__ import annotations

from benchmarks.rows import rows


def main() -> None:
    print(f"{'what':48}  {'measured against':34}  {'ours':>9}  {'theirs':>9}  {'ratio':>6}  {'goal':>5}")
    for row in rows():
        if isinstance(row, str):
            print(row, flush=True)
            continue
        print(
            f"{row.what:48}  {row.against:34}  {row.ours * 1000:7.1f}ms  {row.theirs * 1000:7.1f}ms  "
            f"{row.ratio:6.2f}  {row.goal:5.2f}  {'met' if row.met else 'NOT MET'}",
            flush=True,
        )


if __name__ == "__main__":
    main()
