"""Figures for people and programs: tables, curves, pages."""
