(* What the lines [pinv] and [partition] of a statement introduce exists, so that they assume nothing. *)

From Muso Require Import Algebra.
From mathcomp Require Import mxalgebra.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

Import GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Trust.

Variable R : realFieldType.

Lemma gram_eq0 m n (A : 'M[R]_(m, n)) : A^T *m A = 0 -> A = 0.
Proof.
move=> zero; apply/matrixP=> i j; rewrite mxE; apply/eqP; rewrite -sqrf_eq0.
have /eqP: (A^T *m A) j j = 0 by rewrite zero mxE.
rewrite mxE psumr_eq0 => [/allP/(_ i (mem_index_enum _))|k _]; rewrite mxE -expr2 //.
exact: sqr_ge0.
Qed.

(* A matrix of full column rank has an invertible Gram matrix. *)
Lemma gram_unit m r (A : 'M[R]_(m, r)) : row_free A^T -> A^T *m A \in unitmx.
Proof.
move=> free; rewrite -row_free_unit -kermx_eq0; apply/eqP; set N := kermx _.
have zero : N *m (A^T *m A) = 0 by rewrite mulmx_ker.
have {zero}: A *m N^T = 0 by apply: gram_eq0; rewrite trmx_mul trmxK mulmxA -(mulmxA N) zero mul0mx.
move/(congr1 trmx); rewrite trmx_mul trmxK trmx0 => zero.
by apply: (row_free_inj free); rewrite zero mul0mx.
Qed.

Lemma pinv_of_product m r n (B : 'M[R]_(m, r)) (C : 'M[R]_(r, n)) :
  row_free B^T -> row_free C -> exists X, is_pinv (B *m C) X.
Proof.
move=> free_B free_C; have unit_B := gram_unit free_B.
have unit_C : C *m C^T \in unitmx by have := @gram_unit _ _ C^T; rewrite trmxK; apply.
have sym_B : (invmx (B^T *m B))^T = invmx (B^T *m B) by rewrite trmx_inv trmx_mul trmxK.
have sym_C : (invmx (C *m C^T))^T = invmx (C *m C^T) by rewrite trmx_inv trmx_mul trmxK.
pose L := invmx (B^T *m B) *m B^T; pose D := C^T *m invmx (C *m C^T).
have LB : L *m B = 1%:M by rewrite /L -mulmxA mulVmx.
have CD : C *m D = 1%:M by rewrite /D mulmxA mulmxV.
have AX : B *m C *m (D *m L) = B *m L by rewrite mulmxA -(mulmxA B) CD mulmx1.
have XA : D *m L *m (B *m C) = D *m C by rewrite mulmxA -(mulmxA D) LB mulmx1.
exists (D *m L); split.
- by rewrite AX mulmxA -(mulmxA B) LB mulmx1.
- by rewrite XA mulmxA -(mulmxA D) CD mulmx1.
- by rewrite AX /L !trmx_mul trmxK sym_B mulmxA.
- by rewrite XA /D !trmx_mul trmxK sym_C mulmxA.
Qed.

Theorem pinv_exists m n (A : 'M[R]_(m, n)) : exists X, is_pinv A X.
Proof.
rewrite -[A in is_pinv A](mulmx_base A); apply: pinv_of_product; last exact: row_base_free.
by rewrite /row_free mxrank_tr; exact: col_base_full.
Qed.

Lemma pinv_unique m n (A : 'M[R]_(m, n)) X Y : is_pinv A X -> is_pinv A Y -> X = Y.
Proof.
case=> [x1 x2 x3 x4] [y1 y2 y3 y4].
have AX_AY : A *m X = A *m Y by rewrite -{1}y1 -mulmxA -{1}y3 -{1}x3 -trmx_mul mulmxA x1 y3.
have XA_YA : X *m A = Y *m A.
  by rewrite -{1}y1 -(mulmxA A) mulmxA -{1}x4 -{1}y4 -trmx_mul -mulmxA (mulmxA A) x1 y4.
by rewrite -x2 -mulmxA AX_AY mulmxA XA_YA y2.
Qed.

(* The rows of any subset, and the others: S selects the rows in P, T those outside. *)
Definition selection n (P : {pred 'I_n}) : 'M[R]_(#|P|, n) := \matrix_(i, j) (enum_val i == j)%:R.

Lemma selection_row n (P : {pred 'I_n}) m (A : 'M[R]_(n, m)) i : row i (selection P *m A) = row (enum_val i) A.
Proof.
apply/rowP=> j; rewrite !mxE (bigD1 (enum_val i)) //= mxE eqxx mul1r big1 ?addr0 // => k.
by rewrite mxE eq_sym => /negPf->; rewrite mul0r.
Qed.

Lemma selection_tr n (P P' : {pred 'I_n}) i j :
  (selection P *m (selection P')^T) i j = (enum_val i == enum_val j :> 'I_n)%:R.
Proof.
rewrite mxE (bigD1 (enum_val i)) //= !mxE eqxx mul1r big1 ?addr0 1?eq_sym // => k.
by rewrite mxE eq_sym => /negPf->; rewrite mul0r.
Qed.

Lemma selection_gram n (P : {pred 'I_n}) :
  (selection P)^T *m selection P = \matrix_(i, j) ((i == j) && (i \in P))%:R.
Proof.
apply/matrixP=> i j; rewrite !mxE.
under eq_bigr do rewrite !mxE.
rewrite -(big_enum_val (fun k => (k == i)%:R * (k == j)%:R)) /=.
case: (boolP (i \in P)) => [in_P|out_P].
  rewrite andbT (bigD1 i) //= eqxx mul1r big1 ?addr0 // => k /andP[_ /negPf->].
  by rewrite mul0r.
rewrite andbF big1 // => k in_P; case: eqP => [e|_]; last by rewrite mul0r.
by rewrite -e in_P in out_P.
Qed.

Theorem rows_can_be_split n (P : {pred 'I_n}) : row_partition (selection P) (selection [predC P]).
Proof.
split; try apply/matrixP=> i j; rewrite ?selection_tr ?mxE ?(inj_eq enum_val_inj) //.
- case: eqP => // e; have: enum_val i \notin P by rewrite e; exact: enum_valP j.
  by rewrite enum_valP.
- have := selection_gram P; have := selection_gram [predC P].
  move=> /matrixP/(_ i j) + /matrixP/(_ i j); rewrite !mxE => -> ->.
  have -> : (i \in [predC P]) = (i \notin P) by [].
  by case: (i == j); case: (i \in P); rewrite ?addr0 ?add0r.
Qed.

Theorem parts_add_up n r f (S : 'M[R]_(r, n)) (T : 'M[R]_(f, n)) : row_partition S T -> n = (r + f)%N.
Proof.
case=> eS eT _ /(congr1 mxtrace); rewrite mxtraceD !(mxtrace_mulC _^T) eS eT !mxtrace1 -natrD => /eqP.
by rewrite eqr_nat => /eqP.
Qed.

End Trust.
