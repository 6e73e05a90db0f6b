(* Elementary convergence: linear iterations that contract, over any real field; limits over any archimedean one.

   Nothing here needs eigenvalues or square roots, which a real field need not have. That the largest eigenvalue of
   Phi^T Phi is at most L is said by [at_most Phi L], |Phi u|^2 <= L |u|^2 for every u; that those other than 0 are at
   least l by [at_least Phi l], the same with >= for the u in the row space. *)

From Coq Require Import Ring_theory Ring.
From Muso Require Import Algebra Trust.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

Import order.Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

(* ---- What the statements mean ------------------------------------------------------------------------------------ *)

Section Vocabulary.

Variables (R : realFieldType) (n D c : nat).

Definition dot m k (X Y : 'M[R]_(m, k)) : R := \tr (X^T *m Y).

Definition sqnorm m k (X : 'M[R]_(m, k)) : R := dot X X.

Definition at_most (Phi : 'M[R]_(n, D)) (L : R) := forall u : 'cV_D, sqnorm (Phi *m u) <= L * sqnorm u.

Definition at_least (Phi : 'M[R]_(n, D)) (l : R) :=
  forall (u : 'cV_D) (z : 'cV_n), u = Phi^T *m z -> l * sqnorm u <= sqnorm (Phi *m u).

Definition gd_step (Phi : 'M[R]_(n, D)) (t : 'M_(n, c)) (eta : R) (w : 'M_(D, c)) :=
  w + eta *: Phi^T *m (t - Phi *m w).

Definition sgd_visit (Phi : 'M[R]_(n, D)) (t : 'M_(n, c)) (gamma : 'I_n -> R) (w : 'M_(D, c)) (i : 'I_n) :=
  w + gamma i *: (row i Phi)^T *m (row i t - row i Phi *m w).

Definition sgd_pass (Phi : 'M[R]_(n, D)) (t : 'M_(n, c)) (gamma : 'I_n -> R) (order : seq 'I_n) (w : 'M_(D, c)) :=
  foldl (sgd_visit Phi t gamma) w order.

(* Two iterates, the later first. *)
Definition heavy_ball_step (Phi : 'M[R]_(n, D)) (t : 'M_(n, c)) (eta b : R) (ww : 'M_(D, c) * 'M_(D, c)) :=
  (gd_step Phi t eta ww.1 + b *: (ww.1 - ww.2), ww.1).

Definition nesterov_step (Phi : 'M[R]_(n, D)) (t : 'M_(n, c)) (eta b : R) (ww : 'M_(D, c) * 'M_(D, c)) :=
  (gd_step Phi t eta (ww.1 + b *: (ww.1 - ww.2)), ww.1).

End Vocabulary.

Definition tends_to (R : archiFieldType) m k (w : nat -> 'M[R]_(m, k)) (g : 'M[R]_(m, k)) :=
  forall eps : R, 0 < eps -> exists N, forall T, (N <= T)%N -> forall i j, `|w T i j - g i j| < eps.

(* ---- Identities between numbers --------------------------------------------------------------------------------- *)

Section Numbers.

Variable R : realFieldType.

Let add (x y : R) : R := x + y.
Let mul (x y : R) : R := x * y.
Let opp (x : R) : R := - x.
Let sub (x y : R) : R := x - y.

Lemma is_ring : ring_theory (0 : R) (1 : R) add mul sub opp (@eq R).
Proof.
split; [exact: add0r | exact: addrC | exact: addrA | exact: mul1r | exact: mulrC | exact: mulrA | exact: mulrDl
  | by [] | exact: subrr].
Qed.

Add Ring real_ring : is_ring.

Ltac identity :=
  match goal with |- ?a = ?b => change (@eq (Num.RealField.sort R) a b) end;
  rewrite ?expr2 ?mulr2n;
  repeat match goal with
  | |- context [@GRing.add _ ?x (@GRing.opp _ ?y)] => change (@GRing.add _ x (@GRing.opp _ y)) with (sub x y)
  | |- context [@GRing.add _ ?x ?y] => change (@GRing.add _ x y) with (add x y)
  | |- context [@GRing.mul _ ?x ?y] => change (@GRing.mul _ x y) with (mul x y)
  | |- context [@GRing.opp _ ?y] => change (@GRing.opp _ y) with (opp y)
  end; ring.

Lemma sgd_identity (x g p s : R) :
  x - (g * s + g * s) + g * g * (p * s) = x - g * (1 + 1 - g * p) * s.
Proof. identity. Qed.

Lemma energy_identity (a b c d e f g h : R) :
  a + b + (c + d) - (a + h + (a + h))
  = c + d + (e + f) - (g + f + (g + f)) - (a - (g + g) + e - (b - (h + h) + f)).
Proof. identity. Qed.

Lemma energy_decay (a c2 k2 e1 e2 w r : R) :
  0 < c2 -> 0 < k2 -> 0 < a -> e2 <= e1 - a * w -> a * a * (r + r) <= c2 * w -> e1 + e1 <= k2 * r ->
  e2 <= (1 - a * a * a * (1 + 1 + 1 + 1) / (c2 * k2)) * e1.
Proof.
move=> c2_gt0 k2_gt0 a_gt0 step below above.
have cc_gt0 : 0 < c2 * k2 by rewrite mulr_gt0.
rewrite mulrBl mul1r ler_subr_addl -ler_subr_addr mulrAC ler_pdivr_mulr // [X in _ <= X]mulrC.
apply: (@le_trans _ _ (a * a * a * (k2 * r + k2 * r))).
  have -> : a * a * a * (1 + 1 + 1 + 1) * e1 = a * a * a * ((e1 + e1) + (e1 + e1)) by identity.
  by rewrite ler_pmul2l ?mulr_gt0 // ler_add.
have -> : a * a * a * (k2 * r + k2 * r) = k2 * a * (a * a * (r + r)) by identity.
apply: (@le_trans _ _ (k2 * a * (c2 * w))); first by rewrite ler_pmul2l ?mulr_gt0.
have -> : k2 * a * (c2 * w) = c2 * k2 * (a * w) by identity.
by rewrite ler_pmul2l // ler_subr_addl -ler_subr_addr.
Qed.

Lemma energy_moves (u u' p h : R) : 0 <= u -> 0 <= u' -> 0 <= p -> h <= (u' + p * u) + (u' + p * u) ->
  (u + h) + (u + h) <= ((1 + 1 + (p + p)) + (1 + 1 + (p + p))) * (u + u').
Proof.
move=> u_ge0 u'_ge0 p_ge0 h_le; rewrite mulrDl; apply: ler_add; apply: (le_trans (ler_add (lexx u) h_le));
  rewrite -subr_ge0;
  have -> : (1 + 1 + (p + p)) * (u + u') - (u + (u' + p * u + (u' + p * u))) = u + (p + p) * u' by identity.
all: by rewrite addr_ge0 ?mulr_ge0 ?addr_ge0.
Qed.

Lemma second_move (x p bx py : R) : p - bx - x - (p - py) = py - (x + bx).
Proof. identity. Qed.

Lemma both_moves (x y px py bx b : R) :
  x + y + (bx + b) - (px + py) = - ((px - b - y) + (py - (x + bx))).
Proof. identity. Qed.

Lemma moves_apart (x y px py bx b : R) :
  x - y + (bx - b) + (px - py) = (px - b - y) - (py - (x + bx)).
Proof. identity. Qed.

Lemma mean_identity (q : R) : (1 + q) ^+ 2 - q * (1 + 1) ^+ 2 = (1 - q) * (1 - q).
Proof. identity. Qed.

Lemma momentum_below (o b m x : R) : o + (b - m) - (o + b - (x + m)) = x.
Proof. identity. Qed.

Lemma momentum_above (a b b' K s x : R) :
  s + (b * s - b' * x) + ((1 + b) * s - (1 + b') * x) - a * s
  = (((1 + b) + (1 + b)) - (1 + (b' + b')) * K - a) * s + (1 + (b' + b')) * (K * s - x).
Proof. identity. Qed.

Lemma momentum_decay (b b' s x : R) : s - (b * s - b' * x) = (1 - b) * s + b' * x.
Proof. identity. Qed.

Lemma nesterov_error (b x y ax ay : R) :
  x + (b * x - b * y) - (ax + (b * ax - b * ay)) = x + b * x - (ax + b * ax) - (b * y - b * ay).
Proof. identity. Qed.

Lemma square_out (a s : R) : s * (a * a * s) = (a * s) * (a * s).
Proof. identity. Qed.

Lemma energy_halves (xs ys xy xp yp zp : R) :
  (xs + ys - (zp + zp)) + (xs + ys - (zp + zp))
  = (xs - xp + (xy - zp + (xy - zp)) + (ys - yp)) + (xs + xp - (xy + zp + (xy + zp)) + (ys + yp)).
Proof. identity. Qed.

Lemma cauchy (a b c : R) : 0 <= c -> (forall s, 0 <= a + (s * b + s * b) + s * s * c) -> b * b <= a * c.
Proof.
rewrite le0r => /orP[/eqP-> form|c_gt0 form].
  have [-> | b_neq0] := eqVneq b 0; first by rewrite mulr0 mulr0.
  have b2_neq0 : b + b != 0 by rewrite -mulr2n mulrn_eq0.
  have := form (- (a + 1) / (b + b)); rewrite mulr0 addr0 -mulrDr divfK //.
  by rewrite opprD addrA subrr add0r oppr_ge0 ler10.
have c_neq0 := lt0r_neq0 c_gt0.
have := form (- (b / c)); rewrite -(pmulr_lge0 _ c_gt0).
suff -> : (a + (- (b / c) * b + - (b / c) * b) + - (b / c) * - (b / c) * c) * c = a * c - b * b by rewrite subr_ge0.
have -> : (a + (- (b / c) * b + - (b / c) * b) + - (b / c) * - (b / c) * c) * c
  = a * c - (b / c * c) * b - (b / c * c) * b + (b / c * c) * (b / c * c) by identity.
rewrite divfK //; identity.
Qed.

Lemma bernoulli_step (x q : R) : 1 + x * (1 - q) - q * (1 + (x + 1) * (1 - q)) = (x + 1) * ((1 - q) * (1 - q)).
Proof. identity. Qed.

Lemma bernoulli (q : R) k : 0 <= q <= 1 -> q ^+ k * (1 + k%:R * (1 - q)) <= 1.
Proof.
case/andP=> q_ge0 q_le1; elim: k => [|k IH]; first by rewrite expr0 mul0r addr0 mul1r.
apply: le_trans IH; rewrite exprSr -mulrA; apply: ler_wpmul2l; first exact: exprn_ge0.
have next : k.+1%:R = k%:R + 1 :> R by rewrite -addn1 natrD.
rewrite -subr_ge0 next bernoulli_step -next.
by rewrite mulr_ge0 ?ler0n // mulr_ge0 // subr_ge0.
Qed.


(* The energy of two consecutive iterates: what is left once [dot] is expanded. *)
Lemma parallelogram (a b c : R) : a + (b + b) + c + (a - (b + b) + c) = (a + c) + (a + c).
Proof. identity. Qed.

(* One step of gradient descent, x = |e|^2, s = |Phi e|^2, y = |Phi^T Phi e|^2. *)
Lemma gd_identity (x s y eta L l : R) :
  (1 - eta * (1 + 1 - eta * L) * l) * x - (x - (eta * s + eta * s) + eta * eta * y)
  = eta * eta * (L * s - y) + eta * (1 + 1 - eta * L) * (s - l * x).
Proof. identity. Qed.

End Numbers.

(* ---- The geometry of matrices ------------------------------------------------------------------------------------ *)

Section Geometry.

Variable R : realFieldType.

Section Dot.

Variables (m k : nat).
Implicit Types X Y Z : 'M[R]_(m, k).

Lemma dotC X Y : dot X Y = dot Y X.
Proof. by rewrite /dot -mxtrace_tr trmx_mul trmxK. Qed.

Lemma dotDr X Y Z : dot X (Y + Z) = dot X Y + dot X Z.
Proof. by rewrite /dot mulmxDr mxtraceD. Qed.

Lemma dotDl X Y Z : dot (X + Y) Z = dot X Z + dot Y Z.
Proof. by rewrite dotC dotDr !(dotC Z). Qed.

Lemma dotZr a X Y : dot X (a *: Y) = a * dot X Y.
Proof. by rewrite /dot -scalemxAr mxtraceZ. Qed.

Lemma dotZl a X Y : dot (a *: X) Y = a * dot X Y.
Proof. by rewrite dotC dotZr dotC. Qed.

Lemma dotNr X Y : dot X (- Y) = - dot X Y.
Proof. by rewrite -scaleN1r dotZr mulN1r. Qed.

Lemma dotNl X Y : dot (- X) Y = - dot X Y.
Proof. by rewrite dotC dotNr dotC. Qed.

Definition dotE := (dotDl, dotDr, dotNl, dotNr, dotZl, dotZr).

Lemma dot_line X Y A B s :
  dot (X + s *: Y) (A + s *: B) = dot X A + (s * dot X B + s * dot Y A) + s * s * dot Y B.
Proof. by rewrite !dotDl !dotDr !dotZl !dotZr mulrA !addrA. Qed.

Lemma sqnormE X : sqnorm X = \sum_j \sum_i X i j ^+ 2.
Proof. by rewrite /sqnorm /dot /mxtrace; apply: eq_bigr => j _; rewrite mxE; apply: eq_bigr => i _; rewrite mxE. Qed.

Lemma sqnorm_ge0 X : 0 <= sqnorm X.
Proof. by rewrite sqnormE !sumr_ge0 // => j _; rewrite sumr_ge0 // => i _; rewrite sqr_ge0. Qed.

Lemma entry_le X i j : X i j ^+ 2 <= sqnorm X.
Proof.
rewrite sqnormE (bigD1 j) //= (bigD1 i) //= -addrA ler_addl addr_ge0 //.
  by rewrite sumr_ge0 // => l _; rewrite sqr_ge0.
by rewrite sumr_ge0 // => l _; rewrite sumr_ge0 // => l' _; rewrite sqr_ge0.
Qed.

Lemma sqnormN X : sqnorm (- X) = sqnorm X.
Proof. by rewrite /sqnorm !dotE opprK. Qed.

Lemma sqnormZ a X : sqnorm (a *: X) = a * a * sqnorm X.
Proof. by rewrite /sqnorm !dotE mulrA. Qed.

Lemma sqnorm_add X Y : sqnorm (X + Y) = sqnorm X + (dot X Y + dot X Y) + sqnorm Y.
Proof. by rewrite /sqnorm !dotE (dotC Y X) !addrA. Qed.

Lemma sqnorm_sub X Y : sqnorm (X - Y) = sqnorm X - (dot X Y + dot X Y) + sqnorm Y.
Proof. by rewrite sqnorm_add sqnormN dotNr opprD. Qed.

Lemma sqnorm_both X Y : sqnorm (X + Y) + sqnorm (X - Y) = (sqnorm X + sqnorm Y) + (sqnorm X + sqnorm Y).
Proof. by rewrite sqnorm_add sqnorm_sub parallelogram. Qed.

Lemma sqnorm_add_le X Y : sqnorm (X + Y) <= (sqnorm X + sqnorm Y) + (sqnorm X + sqnorm Y).
Proof. by rewrite -sqnorm_both ler_addl sqnorm_ge0. Qed.

Lemma dot_add_le X Y : dot X Y + dot X Y <= sqnorm X + sqnorm Y.
Proof. by have := sqnorm_ge0 (X - Y); rewrite sqnorm_sub addrAC subr_ge0. Qed.

Lemma cauchy_schwarz X Y : dot X Y * dot X Y <= sqnorm X * sqnorm Y.
Proof.
apply: cauchy (sqnorm_ge0 Y) _ => s; have := sqnorm_ge0 (X + s *: Y).
by rewrite sqnorm_add sqnormZ dotZr.
Qed.

End Dot.

Lemma sqnorm_cols m k (X : 'M[R]_(m, k)) : sqnorm X = \sum_j sqnorm (col j X).
Proof.
rewrite sqnormE; apply: eq_bigr => j _; rewrite sqnormE big_ord_recl big_ord0 addr0.
by apply: eq_bigr => i _; rewrite mxE.
Qed.

Lemma dot_mulr m n k (A : 'M[R]_(m, n)) (X : 'M_(m, k)) (Y : 'M_(n, k)) : dot X (A *m Y) = dot (A^T *m X) Y.
Proof. by rewrite /dot trmx_mul trmxK mulmxA. Qed.

Lemma dot_mull m n k (A : 'M[R]_(m, n)) (X : 'M_(m, k)) (Y : 'M_(n, k)) : dot (A *m Y) X = dot Y (A^T *m X).
Proof. by rewrite dotC dot_mulr dotC. Qed.

Lemma col_mul m n k (A : 'M[R]_(m, n)) (X : 'M_(n, k)) j : col j (A *m X) = A *m col j X.
Proof. by apply/colP=> i; rewrite !mxE; apply: eq_bigr => l _; rewrite mxE. Qed.

(* No matrix lengthens more than its entries allow. *)
Lemma bounded m n (A : 'M[R]_(m, n)) k (X : 'M_(n, k)) : sqnorm (A *m X) <= sqnorm A^T * sqnorm X.
Proof.
rewrite (sqnormE (A *m X)) (sqnorm_cols A^T) (sqnorm_cols X) big_distrr /=; apply: ler_sum => j _.
rewrite big_distrl /=; apply: ler_sum => i _; have -> : (A *m X) i j = dot (col i A^T) (col j X).
  rewrite /dot /mxtrace big_ord_recl big_ord0 addr0 !mxE; apply: eq_bigr => l _; by rewrite !mxE.
by rewrite expr2 cauchy_schwarz.
Qed.


Lemma at_most_matrix n D (Phi : 'M[R]_(n, D)) L : at_most Phi L ->
  forall k (X : 'M_(D, k)), sqnorm (Phi *m X) <= L * sqnorm X.
Proof.
move=> most k X; rewrite !sqnorm_cols big_distrr /=.
by apply: ler_sum => j _; rewrite col_mul; apply: most.
Qed.

Lemma at_least_matrix n D (Phi : 'M[R]_(n, D)) l : at_least Phi l ->
  forall k (X : 'M_(D, k)) (Z : 'M_(n, k)), X = Phi^T *m Z -> l * sqnorm X <= sqnorm (Phi *m X).
Proof.
move=> least k X Z eX; rewrite !sqnorm_cols big_distrr /=.
by apply: ler_sum => j _; rewrite col_mul; apply: (least _ (col j Z)); rewrite eX col_mul.
Qed.

(* The transpose lengthens no more. *)
Lemma at_most_tr n D (Phi : 'M[R]_(n, D)) L : 0 <= L -> at_most Phi L ->
  forall k (Z : 'M_(n, k)), sqnorm (Phi^T *m Z) <= L * sqnorm Z.
Proof.
move=> L_ge0 most k Z; set X := Phi^T *m Z.
have [->|X_neq0] := eqVneq (sqnorm X) 0; first by rewrite mulr_ge0 ?sqnorm_ge0.
have X_gt0 : 0 < sqnorm X by rewrite lt0r X_neq0 sqnorm_ge0.
have XE : sqnorm X = dot (Phi *m X) Z by rewrite dot_mull.
rewrite -(ler_pmul2r X_gt0) {1 2}XE; apply: le_trans (cauchy_schwarz _ _) _.
rewrite [X in _ <= X]mulrAC; apply: ler_wpmul2r; first exact: sqnorm_ge0.
exact: at_most_matrix.
Qed.

(* Every matrix has a positive bound of this kind, without eigenvalues: its Moore-Penrose inverse gives one. *)
Lemma at_least_exists n D (Phi : 'M[R]_(n, D)) : exists2 l, 0 < l & at_least Phi l.
Proof.
have [Psi [one _ _ four]] := pinv_exists Phi.
have pos : 0 < 1 + sqnorm Psi^T by rewrite ltr_spaddl ?ltr01 ?sqnorm_ge0.
exists (1 + sqnorm Psi^T)^-1 => [|u z eu]; first by rewrite invr_gt0.
have inside : u = Psi *m (Phi *m u) by rewrite mulmxA -four eu mulmxA -trmx_mul mulmxA one.
rewrite ler_pdivr_mull // {1}inside; apply: le_trans (bounded _ _) _.
by rewrite mulrDl mul1r ler_addr sqnorm_ge0.
Qed.

End Geometry.

(* ---- Limits ------------------------------------------------------------------------------------------------------- *)

Lemma geometric (R : archiFieldType) m k (w : nat -> 'M[R]_(m, k)) g (q K : R) :
  0 <= q < 1 -> (forall T, sqnorm (w T - g) <= q ^+ T * K) -> tends_to w g.
Proof.
case/andP=> q_ge0 q_lt1 decay eps eps_gt0.
have K_ge0 : 0 <= K by have := le_trans (sqnorm_ge0 _) (decay 0%N); rewrite expr0 mul1r.
have e2_gt0 : 0 < eps ^+ 2 by rewrite exprn_gt0.
have d_gt0 : 0 < eps ^+ 2 * (1 - q) by rewrite mulr_gt0 // subr_gt0.
exists (Num.bound (K / (eps ^+ 2 * (1 - q)))) => T le_T i j.
have K_lt : K < eps ^+ 2 * (T%:R * (1 - q)).
  rewrite mulrCA -ltr_pdivr_mulr //; apply: lt_le_trans (archi_boundP _) _; first by rewrite divr_ge0 // ltW.
  by rewrite ler_nat.
have small : q ^+ T * K < eps ^+ 2.
  rewrite ltNge; apply/negP=> large; have q_01 : 0 <= q <= 1 by rewrite q_ge0 ltW.
  have t_ge0 : 0 <= T%:R * (1 - q) by rewrite mulr_ge0 ?ler0n // subr_ge0 ltW.
  have := ler_wpmul2l K_ge0 (bernoulli T q_01); rewrite mulr1 mulrA (mulrC K).
  have := ler_wpmul2r (addr_ge0 ler01 t_ge0) large => h1 h2.
  have le1 : T%:R * (1 - q) <= 1 + T%:R * (1 - q) by rewrite ler_addr ler01.
  by have := lt_le_trans K_lt (le_trans (ler_wpmul2l (ltW e2_gt0) le1) (le_trans h1 h2)); rewrite ltxx.
rewrite -ltr_sqr ?nnegrE ?normr_ge0 ?(ltW eps_gt0) // real_normK ?num_real //.
by apply: le_lt_trans small; apply: le_trans (decay T); have := entry_le (w T - g) i j; rewrite !mxE.
Qed.

(* A rate for every second step is one for every step. *)
Lemma half_rate (R : realFieldType) (q : R) : 0 <= q < 1 ->
  exists2 q', 0 <= q' < 1 & exists K, forall T, q ^+ T./2 <= q' ^+ T * K.
Proof.
case/andP=> q_ge0 q_lt1; have two_gt0 : 0 < 1 + 1 :> R by rewrite addr_gt0 ?ltr01.
pose q' := (1 + q) / (1 + 1); have q'_gt0 : 0 < q' by rewrite divr_gt0 // ltr_spaddl ?ltr01.
have q'_lt1 : q' < 1 by rewrite ltr_pdivr_mulr // mul1r ltr_add2l.
have q_le : q <= q' ^+ 2.
  rewrite exprMn exprVn ler_pdivl_mulr ?exprn_gt0 // -subr_ge0 mean_identity.
  by rewrite mulr_ge0 // subr_ge0 ltW.
exists q'; first by rewrite ltW.
exists q'^-1 => T; rewrite ler_pdivl_mulr //.
apply: (@le_trans _ _ (q' ^+ T./2.*2 * q')).
  apply: ler_wpmul2r; first exact: ltW.
  by rewrite -mul2n exprM; apply: ler_expn2r; rewrite ?nnegrE ?exprn_ge0 // ltW.
rewrite -exprSr -[in X in _ <= X](odd_double_half T) addnC; case: (odd T); rewrite ?addn1 // addn0.
by rewrite exprSr ler_pimulr ?exprn_ge0 // ltW.
Qed.

(* ---- Gradient descent ---------------------------------------------------------------------------------------------- *)

Section GradientDescent.

Variables (R : realFieldType) (n D : nat) (Phi : 'M[R]_(n, D)).

(* What a step does to the error of a point whose gradient is zero. *)
Definition gd_error (eta : R) k (e : 'M[R]_(D, k)) := e - eta *: (Phi^T *m (Phi *m e)).

Lemma gd_error_inside eta k (e : 'M_(D, k)) z : e = Phi^T *m z -> exists z', gd_error eta e = Phi^T *m z'.
Proof. by move=> ->; exists (z - eta *: (Phi *m (Phi^T *m z))); rewrite mulmxBr -scalemxAr. Qed.

Lemma gd_shortens eta L l : 0 <= eta -> eta * L <= 1 + 1 -> 0 <= L -> at_most Phi L -> at_least Phi l ->
  forall k (e : 'M_(D, k)) z, e = Phi^T *m z ->
  sqnorm (gd_error eta e) <= (1 - eta * (1 + 1 - eta * L) * l) * sqnorm e.
Proof.
move=> eta_ge0 small L_ge0 most least k e z inside.
rewrite -subr_ge0 sqnorm_sub dotZr dot_mulr trmxK sqnormZ gd_identity addr_ge0 //.
  by rewrite mulr_ge0 ?mulr_ge0 // subr_ge0; apply: at_most_tr.
rewrite mulr_ge0 ?mulr_ge0 ?subr_ge0 //; exact: at_least_matrix inside.
Qed.

(* With a step of at most 1 / L, the rate of the smallest eigenvalue. *)
Lemma gd_rate eta L l : 0 <= eta -> eta * L <= 1 -> l <= L -> at_most Phi L -> at_least Phi l ->
  forall k (e : 'M_(D, k)) z, e = Phi^T *m z ->
  sqnorm (gd_error eta e) <= (1 - eta * l) * (1 - eta * l) * sqnorm e.
Proof.
move=> eta_ge0 small l_le_L most least k e z inside.
have form (X Y : 'M_(D, k)) : dot X (gd_error eta Y) = dot X Y - eta * dot (Phi *m X) (Phi *m Y).
  by rewrite dotDr dotNr dotZr dot_mulr trmxK.
have sym (X Y : 'M_(D, k)) : dot Y (gd_error eta X) = dot X (gd_error eta Y).
  by rewrite !form (dotC Y) (dotC (Phi *m Y)).
have lin (X Y : 'M_(D, k)) s : gd_error eta (X + s *: Y) = gd_error eta X + s *: gd_error eta Y.
  by rewrite /gd_error !mulmxDr -!scalemxAr scalerDr opprD scalerBr !scalerA (mulrC s) addrACA.
have pos (X : 'M_(D, k)) : 0 <= dot X (gd_error eta X).
  rewrite form subr_ge0; apply: le_trans (ler_wpmul2l eta_ge0 (at_most_matrix most X)) _.
  by rewrite mulrA ler_pimull ?sqnorm_ge0.
have above (X : 'M_(D, k)) Z : X = Phi^T *m Z -> dot X (gd_error eta X) <= (1 - eta * l) * sqnorm X.
  move=> eX; rewrite form mulrBl mul1r ler_add2l ler_opp2 -mulrA.
  by apply: ler_wpmul2l => //; exact: at_least_matrix eX.
have r_ge0 : 0 <= 1 - eta * l by rewrite subr_ge0; apply: le_trans (ler_wpmul2l eta_ge0 l_le_L) small.
set Y := gd_error eta e; have [Z eY] := gd_error_inside eta inside; rewrite -/Y in eY.
have [->|Y_neq0] := eqVneq (sqnorm Y) 0; first by rewrite mulr_ge0 ?mulr_ge0 ?sqnorm_ge0.
have Y_gt0 : 0 < sqnorm Y by rewrite lt0r Y_neq0 sqnorm_ge0.
have /cauchy : 0 <= dot Y (gd_error eta Y) by [].
move/(_ (dot e (gd_error eta e)) (dot e (gd_error eta Y))); rewrite -(sym e Y) -/Y => cs.
have {cs} : sqnorm Y * sqnorm Y <= dot e Y * dot Y (gd_error eta Y).
  apply: cs => s; have := pos (e + s *: Y); rewrite lin dot_line -(sym e Y) -/Y -/(sqnorm Y).
  by [].
move=> cs; rewrite -(ler_pmul2r Y_gt0); apply: le_trans cs _.
rewrite -[X in _ <= X]mulrA [X in _ <= X]mulrACA.
by apply: ler_pmul; [exact: pos | exact: pos | exact: above inside | exact: above eY].
Qed.

Lemma gd_errorE eta k (e : 'M_(D, k)) : (1%:M - eta%:M *m Phi^T *m Phi) *m e = gd_error eta e.
Proof. by rewrite mulmxBl mul1mx -!mulmxA mul_scalar_mx. Qed.

(* What T steps do to the error: a matrix, as the certified theorems have it. *)
Definition gd_matrix eta T := iter T (mulmx (1%:M - eta%:M *m Phi^T *m Phi)) 1%:M.

Lemma gd_power eta q k : 0 <= q ->
  (forall (e : 'M_(D, k)) z, e = Phi^T *m z -> sqnorm (gd_error eta e) <= q * sqnorm e) ->
  forall T (e : 'M_(D, k)) z, e = Phi^T *m z -> sqnorm (gd_matrix eta T *m e) <= q ^+ T * sqnorm e.
Proof.
move=> q_ge0 step T e z eE.
suff [] : (exists z', gd_matrix eta T *m e = Phi^T *m z') /\ sqnorm (gd_matrix eta T *m e) <= q ^+ T * sqnorm e by [].
elim: T => [|T [[z' IHz] IH]]; first by rewrite mul1mx mul1r; split; first exists z.
rewrite /gd_matrix iterS -/(gd_matrix eta T) -mulmxA gd_errorE; split; first exact: gd_error_inside IHz.
by apply: le_trans (step _ _ IHz) _; rewrite exprS -mulrA ler_wpmul2l.
Qed.

End GradientDescent.

(* ---- Stochastic gradient descent on one sample after another ------------------------------------------------------ *)

Section Samples.

Variables (R : realFieldType) (n D k : nat) (Phi : 'M[R]_(n, D)) (gamma : 'I_n -> R).

Definition sgd_error (e : 'M[R]_(D, k)) i := e - gamma i *: ((row i Phi)^T *m (row i Phi *m e)).

Definition safe i := 0 < gamma i /\ gamma i * sqnorm (row i Phi) < 1 + 1.

Let room i := gamma i * (1 + 1 - gamma i * sqnorm (row i Phi)).

Lemma sgd_errorE e i : sqnorm (sgd_error e i) = sqnorm e - room i * sqnorm (row i Phi *m e).
Proof.
rewrite sqnorm_sub dotZr dot_mulr trmxK sqnormZ; set r := row i Phi *m e.
have -> : sqnorm ((row i Phi)^T *m r) = sqnorm (row i Phi) * sqnorm r.
  rewrite /sqnorm dot_mull trmxK mulmxA [_ *m _^T]mx11_scalar mul_scalar_mx dotZr; congr (_ * _).
  by rewrite /dot mxtrace_mulC /mxtrace big_ord_recl big_ord0 addr0.
exact: sgd_identity.
Qed.

Lemma room_gt0 i : safe i -> 0 < room i.
Proof. by case=> pos small; rewrite mulr_gt0 ?subr_gt0. Qed.

(* What a pass gains bounds what each of its samples had to say at its start. *)
Lemma pass_gains (s : seq 'I_n) : (forall i, safe i) ->
  exists2 K, 0 <= K & forall e, sqnorm (foldl sgd_error e s) <= sqnorm e /\
    \sum_(i <- s) sqnorm (row i Phi *m e) <= K * (sqnorm e - sqnorm (foldl sgd_error e s)).
Proof.
move=> is_safe; elim: s => [|i s [K K_ge0 IH]] /=.
  by exists 0 => // e; rewrite big_nil mul0r lexx.
pose B := \sum_(j <- s) (sqnorm (gamma i *: (row j Phi *m (row i Phi)^T))^T + sqnorm (gamma i *: (row j Phi *m (row i Phi)^T))^T).
have B_ge0 : 0 <= B by rewrite sumr_ge0 // => j _; rewrite addr_ge0 ?sqnorm_ge0.
have d_gt0 := room_gt0 (is_safe i).
exists ((1 + B) / room i + (K + K)) => [|e]; first by rewrite !addr_ge0 // divr_ge0 ?ltW // ltr_spaddl ?ltr01.
have [le1 sum1] := IH (sgd_error e i); set e1 := sgd_error e i in le1 sum1 *; set last := foldl _ _ _ in le1 sum1 *.
set r := row i Phi *m e; have eE : sqnorm e1 = sqnorm e - room i * sqnorm r by rewrite sgd_errorE.
have gain : sqnorm e - sqnorm e1 = room i * sqnorm r by rewrite eE opprB addrC subrK.
have le0 : sqnorm e1 <= sqnorm e by rewrite -subr_ge0 gain mulr_ge0 ?sqnorm_ge0 // ltW.
split; first exact: le_trans le1 le0.
have split_e : e = e1 + gamma i *: ((row i Phi)^T *m r) by rewrite /e1 /sgd_error subrK.
have each j : sqnorm (row j Phi *m e) <= (sqnorm (row j Phi *m e1) + sqnorm (row j Phi *m e1))
    + (sqnorm (gamma i *: (row j Phi *m (row i Phi)^T))^T + sqnorm (gamma i *: (row j Phi *m (row i Phi)^T))^T) * sqnorm r.
  rewrite {1}split_e mulmxDr -scalemxAr mulmxA scalemxAl; apply: le_trans (sqnorm_add_le _ _) _.
  by rewrite addrACA ler_add2l mulrDl ler_add ?bounded.
rewrite big_cons -/r; have := ler_sum _ (fun j _ => each j) : \sum_(j <- s) sqnorm (row j Phi *m e) <= _.
rewrite big_split big_split /= -big_distrl /= -/B => sum_e.
apply: le_trans (ler_add (lexx _) sum_e) _.
have rE : sqnorm r = (room i)^-1 * (sqnorm e - sqnorm e1) by rewrite gain mulKf // lt0r_neq0.
have -> : sqnorm e - sqnorm last = (sqnorm e - sqnorm e1) + (sqnorm e1 - sqnorm last) by rewrite addrA subrK.
apply: (@le_trans _ _ ((1 + B) / room i * (sqnorm e - sqnorm e1) + (K + K) * (sqnorm e1 - sqnorm last))).
  by rewrite addrCA addrC -mulrA -rE [(1 + B) * _]mulrDl mul1r [(K + K) * _]mulrDl ler_add2l ler_add.
rewrite [X in _ <= X](mulrDl ((1 + B) / room i) (K + K)); apply: ler_add; apply: ler_wpmul2l.
- by rewrite divr_ge0 ?ltW // ltr_spaddl ?ltr01.
- by rewrite ler_addl subr_ge0.
- exact: addr_ge0.
- by rewrite ler_addr subr_ge0.
Qed.

Lemma sgd_error_inside e z i : e = Phi^T *m z -> exists z', sgd_error e i = Phi^T *m z'.
Proof.
move=> ->; rewrite /sgd_error {1}rowE trmx_mul -mulmxA scalemxAr -mulmxBr.
by eexists.
Qed.

Lemma pass_inside s e z : e = Phi^T *m z -> exists z', foldl sgd_error e s = Phi^T *m z'.
Proof.
elim: s e z => [|i s IH] e z inside /=; first by exists z.
by have [z' inside'] := sgd_error_inside i inside; exact: IH inside'.
Qed.

Lemma pass_shortens (s : seq 'I_n) : (forall i, safe i) -> (forall i, i \in s) ->
  exists2 q, 0 <= q < 1 & forall e z, e = Phi^T *m z -> sqnorm (foldl sgd_error e s) <= q * sqnorm e.
Proof.
move=> is_safe visited; have [K K_ge0 gains] := pass_gains s is_safe; have [l l_gt0 least] := at_least_exists Phi.
pose M := n%:R * K + 1 + l.
have M_gt0 : 0 < M by rewrite ltr_paddl // addr_ge0 ?ler01 // mulr_ge0 ?ler0n.
exists (1 - l / M) => [|e z inside].
  rewrite subr_ge0 ler_pdivr_mulr // mul1r ler_addr addr_ge0 ?ler01 ?mulr_ge0 ?ler0n //=.
  by rewrite ltr_subl_addr ltr_addl divr_gt0.
have [shorter gain] := gains e; set last := foldl _ _ _ in shorter gain *.
have : l * sqnorm e <= M * (sqnorm e - sqnorm last).
  apply: le_trans (at_least_matrix least inside) _.
  have -> : sqnorm (Phi *m e) = \sum_i sqnorm (row i Phi *m e).
    rewrite sqnormE exchange_big /=; apply: eq_bigr => i _; rewrite sqnormE.
    by apply: eq_bigr => j _; rewrite big_ord_recl big_ord0 addr0 -row_mul [RHS in _ = RHS](_ : _ = (Phi *m e) i j ^+ 2) // mxE.
  apply: (@le_trans _ _ (n%:R * K * (sqnorm e - sqnorm last))); last first.
    apply: ler_wpmul2r; first by rewrite subr_ge0.
    by rewrite /M -addrA ler_addl addr_ge0 ?ler01 // ltW.
  rewrite -mulrA; apply: (@le_trans _ _ (\sum_(i < n) K * (sqnorm e - sqnorm last))); last first.
    by rewrite sumr_const card_ord mulr_natl.
  apply: ler_sum => i _; apply: le_trans gain; rewrite (big_rem i) //= ler_addl.
  by rewrite sumr_ge0 // => j _; rewrite sqnorm_ge0.
move=> bound; rewrite mulrBl mul1r ler_subr_addl -ler_subr_addr mulrAC ler_pdivr_mulr //.
by rewrite [X in _ <= X]mulrC.
Qed.

End Samples.

(* ---- Two iterates: x, y -> P x - B y, x --------------------------------------------------------------------------- *)

(* The energy is the quadratic form of Schur and Cohn for z^2 - P z + B: positive if 1 - B, 1 + B - P and 1 + B + P are,
   and a step lowers it by the form of 1 - B at the difference of every second iterate. *)
Section TwoIterates.

Variables (R : realFieldType) (n D k : nat) (Phi : 'M[R]_(n, D)) (P B : 'M[R]_D) (P' B' : 'M[R]_n).

Hypotheses (P_sym : P^T = P) (B_sym : B^T = B).
Hypotheses (P_inside : P *m Phi^T = Phi^T *m P') (B_inside : B *m Phi^T = Phi^T *m B').

Implicit Types (e u x y : 'M[R]_(D, k)).

Let inside e := exists z, e = Phi^T *m z.
Let next x y := P *m x - B *m y.
Let F := 1%:M + B - P.
Let H := 1%:M + B + P.
Let energy x y := dot x ((1%:M + B) *m x) + dot y ((1%:M + B) *m y) - (dot x (P *m y) + dot x (P *m y)).

Variable a : R.
Hypothesis a_gt0 : 0 < a.
Hypothesis F_above : forall e, inside e -> a * sqnorm e <= dot e (F *m e).
Hypothesis H_above : forall e, inside e -> a * sqnorm e <= dot e (H *m e).
Hypothesis B_below : forall e, inside e -> a * sqnorm e <= dot e ((1%:M - B) *m e).

Let inside_add x y : inside x -> inside y -> inside (x + y).
Proof. by move=> [z ->] [z' ->]; exists (z + z'); rewrite mulmxDr. Qed.

Let inside_sub x y : inside x -> inside y -> inside (x - y).
Proof. by move=> [z ->] [z' ->]; exists (z - z'); rewrite mulmxBr. Qed.

Let inside_next x y : inside x -> inside y -> inside (next x y).
Proof.
by move=> [z ->] [z' ->]; exists (P' *m z - B' *m z'); rewrite mulmxBr !mulmxA -P_inside -B_inside /next !mulmxA.
Qed.

Let dot_sym (M : 'M[R]_D) x y : M^T = M -> dot x (M *m y) = dot y (M *m x).
Proof. by move=> sym; rewrite dot_mulr sym dotC. Qed.

Let dot1D x y : dot x ((1%:M + B) *m y) = dot x y + dot x (B *m y).
Proof. by rewrite mulmxDl mul1mx dotDr. Qed.

Let form_add (M : 'M[R]_D) x y : M^T = M ->
  dot (x + y) (M *m (x + y)) = dot x (M *m x) + (dot x (M *m y) + dot x (M *m y)) + dot y (M *m y).
Proof. by move=> sym; rewrite mulmxDr dotDl !dotDr (dot_sym y x sym) !addrA. Qed.

Let form_sub (M : 'M[R]_D) x y : M^T = M ->
  dot (x - y) (M *m (x - y)) = dot x (M *m x) - (dot x (M *m y) + dot x (M *m y)) + dot y (M *m y).
Proof. by move=> sym; rewrite form_add // mulmxN !dotNr dotNl opprK opprD. Qed.

Lemma energy_step x y : energy (next x y) x
  = energy x y - dot (next x y - y) ((1%:M - B) *m (next x y - y)).
Proof.
set u := next x y; have Px : P *m x = u + B *m y by rewrite /u /next subrK.
have uPx : dot u (P *m x) = dot u u + dot u (B *m y) by rewrite Px dotDr.
have xPy : dot x (P *m y) = dot u y + dot y (B *m y) by rewrite dot_sym // Px dotDr dotC.
have -> : dot (u - y) ((1%:M - B) *m (u - y)) = sqnorm (u - y) - dot (u - y) (B *m (u - y)).
  by rewrite mulmxBl mul1mx dotDr dotNr.
rewrite sqnorm_sub form_sub // /energy !dot1D uPx xPy; exact: energy_identity.
Qed.

Let F_sym : F^T = F.
Proof. by rewrite /F !linearB /= !linearD /= trmx1 P_sym B_sym. Qed.

Let H_sym : H^T = H.
Proof. by rewrite /H !linearD /= trmx1 P_sym B_sym. Qed.

Lemma energyE x y :
  energy x y + energy x y = dot (x + y) (F *m (x + y)) + dot (x - y) (H *m (x - y)).
Proof.
have FE e e' : dot e (F *m e') = dot e ((1%:M + B) *m e') - dot e (P *m e').
  by rewrite /F (mulmxBl (1%:M + B) P) dotDr dotNr.
have HE e e' : dot e (H *m e') = dot e ((1%:M + B) *m e') + dot e (P *m e').
  by rewrite /H (mulmxDl (1%:M + B) P) dotDr.
rewrite form_add ?F_sym // form_sub ?H_sym // !FE !HE. exact: energy_halves.
Qed.

Let size := (1 + sqnorm F^T) + (1 + sqnorm H^T).

Lemma energy_above x y : energy x y + energy x y <= size * (sqnorm x + sqnorm y).
Proof.
have twice (M : 'M[R]_D) e : dot e (M *m e) + dot e (M *m e) <= (1 + sqnorm M^T) * sqnorm e.
  by apply: le_trans (dot_add_le _ _) _; rewrite mulrDl mul1r ler_add2l; exact: bounded.
have M0 : 0 <= 1 + sqnorm F^T /\ 0 <= 1 + sqnorm H^T by split; rewrite addr_ge0 ?ler01 ?sqnorm_ge0.
case: M0 => F0 H0; rewrite -(ler_pmuln2r (n := 2)) // !mulr2n.
have -> : energy x y + energy x y + (energy x y + energy x y)
  = (dot (x + y) (F *m (x + y)) + dot (x + y) (F *m (x + y)))
    + (dot (x - y) (H *m (x - y)) + dot (x - y) (H *m (x - y))) by rewrite energyE addrACA.
apply: le_trans (ler_add (twice F _) (twice H _)) _.
apply: (@le_trans _ _ (size * sqnorm (x + y) + size * sqnorm (x - y))); last first.
  by rewrite -mulrDr sqnorm_both mulrDr.
apply: ler_add; (apply: ler_wpmul2r; first exact: sqnorm_ge0); first by rewrite /size ler_addl.
by rewrite /size ler_addr.
Qed.

Lemma energy_below x y : inside x -> inside y -> a * (sqnorm x + sqnorm y) <= energy x y.
Proof.
move=> in_x in_y; rewrite -(ler_pmuln2r (n := 2)) // !mulr2n energyE -mulrDr -sqnorm_both mulrDr.
by apply: ler_add; [apply/F_above/inside_add | apply/H_above/inside_sub].
Qed.

Let form_below (M : 'M[R]_D) e : a * sqnorm e <= dot e (M *m e) -> a * a * sqnorm e <= sqnorm (M *m e).
Proof.
move=> below; have [->|neq0] := eqVneq (sqnorm e) 0; first by rewrite mulr0 sqnorm_ge0.
have e_gt0 : 0 < sqnorm e by rewrite lt0r neq0 sqnorm_ge0.
have ae_ge0 : 0 <= a * sqnorm e by rewrite mulr_ge0 // ltW.
rewrite -(ler_pmul2l e_gt0); apply: le_trans (cauchy_schwarz e (M *m e)).
by rewrite square_out ler_pmul.
Qed.

Lemma energy_shrinks : exists2 q, 0 <= q < 1 & forall x y, inside x -> inside y ->
  energy (next x y) x <= energy x y /\ energy (next (next x y) x) (next x y) <= q * energy x y.
Proof.
pose c2 := (1 + 1 + (sqnorm P^T + sqnorm P^T)) + (1 + 1 + (sqnorm P^T + sqnorm P^T)).
have PP_ge0 : 0 <= sqnorm P^T + sqnorm P^T by rewrite addr_ge0 ?sqnorm_ge0.
have size_gt0 : 0 < size by rewrite addr_gt0 // ltr_spaddl ?ltr01 ?sqnorm_ge0.
have c_gt0 : 0 < 1 + 1 + (sqnorm P^T + sqnorm P^T) by rewrite ltr_spaddl // addr_gt0 ?ltr01.
have c2_gt0 : 0 < c2 by rewrite addr_gt0.
pose kappa := a * a * a * (1 + 1 + 1 + 1) / (c2 * size).
have four_gt0 : 0 < 1 + 1 + 1 + 1 :> R by rewrite !addr_gt0 ?ltr01.
have kappa_gt0 : 0 < kappa by rewrite /kappa divr_gt0 // mulr_gt0 // mulr_gt0 // mulr_gt0.
exists (Num.max 0 (1 - kappa)) => [|x y in_x in_y].
  by rewrite le_maxr lexx /= lt_maxl ltr01 ltr_subl_addr ltr_addl.
set x1 := next x y; set x2 := next x1 x.
have in_1 : inside x1 by exact: inside_next.
have in_2 : inside x2 by exact: inside_next.
set u := x1 - y; set u' := x2 - x.
have first : energy x1 x <= energy x y - a * sqnorm u.
  by rewrite energy_step ler_add2l ler_opp2; apply/B_below/inside_sub.
have second : energy x2 x1 <= energy x1 x - a * sqnorm u'.
  by rewrite energy_step ler_add2l ler_opp2; apply/B_below/inside_sub.
split; first by apply: le_trans first _; rewrite ler_subl_addr ler_addl mulr_ge0 ?sqnorm_ge0 // ltW.
have both : energy x2 x1 <= energy x y - a * (sqnorm u + sqnorm u').
  by apply: le_trans second _; rewrite mulrDr opprD addrA ler_add2r.
have e_ge0 : 0 <= energy x y.
  by apply: le_trans (energy_below in_x in_y); rewrite mulr_ge0 ?addr_ge0 ?sqnorm_ge0 // ltW.
apply: (@le_trans _ _ ((1 - kappa) * energy x y)); last by apply: ler_wpmul2r; rewrite // le_maxr lexx orbT.
apply: energy_decay both _ (energy_above x y) => //.
(* u and h determine the state: F (x + y) = -(u + h), H (x - y) = u - h. *)
set h := u' - P *m u.
have hE : h = P *m y - (x + B *m x).
  have -> : h = P *m x1 - B *m x - x - P *m (x1 - y) by [].
  rewrite (mulmxBr P x1 y); move: (P *m x1) (P *m y) (B *m x) => p py bx.
  by apply/matrixP=> i j; rewrite !mxE; exact: second_move.
have uE : u = P *m x - B *m y - y by [].
have FE : F *m (x + y) = - (u + h).
  rewrite hE uE mulmxBl mulmxDl mul1mx !mulmxDr.
  move: (P *m x) (P *m y) (B *m x) (B *m y) => px py bx b.
  by apply/matrixP=> i j; rewrite !mxE; exact: both_moves.
have HE : H *m (x - y) = u - h.
  rewrite hE uE 2!mulmxDl mul1mx !mulmxBr.
  move: (P *m x) (P *m y) (B *m x) (B *m y) => px py bx b.
  by apply/matrixP=> i j; rewrite !mxE; exact: moves_apart.
rewrite -sqnorm_both mulrDr; apply: le_trans (ler_add (form_below _) (form_below _)) _;
  [apply/F_above/inside_add | apply/H_above/inside_sub |] => //.
rewrite FE HE sqnormN sqnorm_both.
have h_le : sqnorm h <= (sqnorm u' + sqnorm P^T * sqnorm u) + (sqnorm u' + sqnorm P^T * sqnorm u).
  by apply: le_trans (sqnorm_add_le _ _) _; rewrite sqnormN; apply: ler_add; rewrite ler_add2l; exact: bounded.
exact: energy_moves (sqnorm_ge0 u) (sqnorm_ge0 u') (sqnorm_ge0 P^T) h_le.
Qed.

(* The iterates, the later first. *)
Definition two_steps T (xy : 'M[R]_(D, k) * 'M[R]_(D, k)) := iter T (fun xy => (next xy.1 xy.2, xy.1)) xy.

Lemma two_steps_shrink : exists2 q, 0 <= q < 1 & forall x y, inside x -> inside y ->
  exists K, forall T, sqnorm (two_steps T (x, y)).1 <= q ^+ T * K.
Proof.
have [q q_01 shrink] := energy_shrinks; have [q_ge0 q_lt1] := andP q_01.
have [q' q'_01 [K' half]] := half_rate q_01; exists q' => // x y in_x in_y.
exists (K' * (energy x y / a)) => T.
have stay t : inside (two_steps t (x, y)).1 /\ inside (two_steps t (x, y)).2.
  by elim: t => [|t [in1 in2]] //=; split => //; exact: inside_next.
pose e t := energy (two_steps t (x, y)).1 (two_steps t (x, y)).2.
have e_ge0 t : 0 <= e t.
  by have [in1 in2] := stay t; apply: le_trans (energy_below in1 in2); rewrite mulr_ge0 ?addr_ge0 ?sqnorm_ge0 // ltW.
have e_le t : e t <= q ^+ t./2 * e 0%N /\ e t.+1 <= q ^+ t.+1./2 * e 0%N.
  elim: t => [|t [IH1 IH2]].
    by rewrite !mul1r; split=> //; have [in1 in2] := stay 0%N; have [] := shrink _ _ in1 in2.
  split=> //; have [in1 in2] := stay t; have [_ le2] := shrink _ _ in1 in2.
  apply: le_trans le2 _; rewrite /= exprS -mulrA; apply: ler_wpmul2l => //; exact: IH1.
have [in1 in2] := stay T; have [le_T _] := e_le T.
rewrite 2!mulrA ler_pdivl_mulr // mulrC.
apply: le_trans (ler_wpmul2r (e_ge0 0%N) (half T)).
apply: le_trans le_T; apply: le_trans (energy_below in1 in2).
by rewrite ler_wpmul2l ?ler_addl ?sqnorm_ge0 // ltW.
Qed.

End TwoIterates.
