"""The plots of a report: what steps leave as pictures or numbers, and curves of the cases that they tested.

charts.py         charts as values: lines, points, and tables of counts
chart_files.py    CSV and JSON with x and y → a chart
case_curves.py    cases → ROC, precision and recall, calibration, confusion, residuals
drawing.py        a chart → SVG, by matplotlib
pictures.py       pictures as a page holds them, each beside that of the baseline
"""
