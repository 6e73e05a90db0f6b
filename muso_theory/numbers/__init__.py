"""What a number may claim: exact, enclosed or merely measured, behind one small interface."""
