"""Tables, and target figures that were met or missed."""

import sys

verdicts = []


def table(title, head, rows):
    print(f"\n### {title}\n")
    rows = [[str(cell) for cell in row] for row in [head] + rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for number, row in enumerate(rows):
        print("| " + " | ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths))) + " |")
        if number == 0:
            print("|" + "|".join("-" * (w + 1) + ("-" if i == 0 else ":")
                                 for i, w in enumerate(widths)) + "|")
    sys.stdout.flush()


def verdict(what, figure, measured, met):
    verdicts.append([what, figure, measured, "met" if met else "MISSED"])


def at_least(what, figure, measured):
    verdict(what, f">= {figure:.2f}", f"{measured:.3f}", measured >= figure)


def print_verdicts():
    if verdicts:
        table("Figures", ["", "figure", "measured", ""], verdicts)
